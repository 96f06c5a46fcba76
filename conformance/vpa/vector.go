package main

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"hash/fnv"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// vectorFile holds one JSON value a line, compressed.
type vectorFile struct {
	file   *os.File
	gzip   *gzip.Writer
	buffer *bufio.Writer
	err    error
}

func newVectorFile(path string) (*vectorFile, error) {
	file, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	compressed, err := gzip.NewWriterLevel(file, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	return &vectorFile{file: file, gzip: compressed, buffer: bufio.NewWriter(compressed)}, nil
}

func (f *vectorFile) line(value any) {
	text, err := json.Marshal(value)
	if err != nil && f.err == nil {
		f.err = err
	}
	_, _ = f.buffer.Write(append(text, '\n'))
}

func (f *vectorFile) close() error {
	for _, step := range []func() error{f.buffer.Flush, f.gzip.Close, f.file.Close} {
		if err := step(); err != nil && f.err == nil {
			f.err = err
		}
	}
	return f.err
}

// amounts are milli-cores and bytes; nil: nothing is said.
type amounts struct {
	CPU    *int64 `json:"cpu,omitempty"`
	Memory *int64 `json:"memory,omitempty"`
}

func (a amounts) list() corev1.ResourceList {
	list := corev1.ResourceList{}
	if a.CPU != nil {
		list[corev1.ResourceCPU] = *resource.NewMilliQuantity(*a.CPU, resource.DecimalSI)
	}
	if a.Memory != nil {
		list[corev1.ResourceMemory] = *resource.NewQuantity(*a.Memory, resource.BinarySI)
	}
	if len(list) == 0 {
		return nil
	}
	return list
}

func amountsOf(list corev1.ResourceList) amounts {
	var result amounts
	if quantity, found := list[corev1.ResourceCPU]; found {
		milli := quantity.MilliValue()
		result.CPU = &milli
	}
	if quantity, found := list[corev1.ResourceMemory]; found {
		bytes := quantity.Value()
		result.Memory = &bytes
	}
	return result
}

func sortedKeys[V any](of map[string]V) []string {
	return slices.Sorted(maps.Keys(of))
}

func chance(random *rand.Rand, probability float64) bool { return random.Float64() < probability }

func pick[T any](random *rand.Rand, from ...T) T { return from[random.IntN(len(from))] }

// between draws from low to high, both of which may come, each magnitude as often as the other.
func between(random *rand.Rand, low, high int64) int64 {
	logarithm := math.Log(float64(low)) + random.Float64()*(math.Log(float64(high))-math.Log(float64(low)))
	return min(max(int64(math.Exp(logarithm)), low), high)
}

func pointer[T any](value T) *T { return &value }

// splitMix is the generator of samples that the tests have, too.
func splitMix(value uint64) uint64 {
	z := value + 0x9e3779b97f4a7c15
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb
	return z ^ (z >> 31)
}

// bitsOf is a hash of the bits of numbers, which tells whether they are the same to the last.
func bitsOf(numbers []float64) uint64 {
	hash := fnv.New64a()
	for _, number := range numbers {
		bits := math.Float64bits(number)
		var bytes [8]byte
		for i := range bytes {
			bytes[i] = byte(bits >> (8 * i))
		}
		_, _ = hash.Write(bytes[:])
	}
	return hash.Sum64()
}
