package vectors

import (
	"maps"
	"math/rand/v2"
	"slices"
)

// SortedKeys are the keys of a map in order.
func SortedKeys[V any](of map[string]V) []string {
	return slices.Sorted(maps.Keys(of))
}

// OneOf is one of some values.
func OneOf[T any](random *rand.Rand, values ...T) T {
	return values[random.IntN(len(values))]
}

// Between is a number of lowest to highest, both included.
func Between(random *rand.Rand, lowest, highest int) int {
	return lowest + random.IntN(highest-lowest+1)
}

// Value is a number of the sort that metrics have: whole, quarters, or any.
func Value(random *rand.Rand, most float64) float64 {
	switch random.IntN(4) {
	case 0:
		return 0
	case 1:
		return float64(random.IntN(int(most) + 1))
	case 2:
		return float64(random.IntN(4*int(most)+1)) / 4
	default:
		return random.Float64() * most
	}
}

// Chance is true with a probability.
func Chance(random *rand.Rand, of float64) bool {
	return random.Float64() < of
}
