// karpenter drives the real scheduler and consolidation of sigs.k8s.io/karpenter over random worlds and writes what they
// decided, for wavetank's tests to replay.
//
//	go run . --seed 1 --scale 1 --out ../../tests/vectors/karpenter
package main

import (
	"compress/gzip"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand"
	"os"
	"path/filepath"
	"time"

	"github.com/go-logr/logr"
	"sigs.k8s.io/controller-runtime/pkg/log"
)

// Case is a world and all that was decided about it when it was asked several times: upstream leaves some things to chance.
type Case struct {
	World
	Kind     string    `json:"kind"`
	Outcomes []Outcome `json:"outcomes"`
}

// How often upstream is asked the same, and how often once it has given different answers: then all of them are wanted.
const asked, askedOfChance = 16, 40

func (d draw) schedule(kind string) Case {
	c := Case{World: d.theWorld(kind), Kind: kind}
	seen := map[string]bool{}
	for try := 0; try < asked || len(seen) > 1 && try < askedOfChance; try++ {
		outcome := solve(c.World)
		key := string(must(json.Marshal(outcome)))
		if !seen[key] {
			seen[key] = true
			c.Outcomes = append(c.Outcomes, outcome)
		}
	}
	return c
}

func main() {
	seed := flag.Int64("seed", 1, "seed of the random worlds")
	scale := flag.Float64("scale", 1, "how many times the usual number of cases")
	out := flag.String("out", "../../tests/vectors/karpenter", "directory to write to")
	only := flag.String("only", "", "write this file alone")
	flag.Parse()
	log.SetLogger(logr.Discard())
	check(os.MkdirAll(*out, 0o755))
	number := func(base int) int { return max(1, int(float64(base)**scale)) }
	drawCatalogs(*seed)
	write := func(out, name string, seed int64, cases int, make func(draw, int) any) {
		if *only == "" || *only == name {
			write(out, name, seed, cases, make)
		}
	}
	write(*out, "catalogs", *seed, catalogs, func(_ draw, at int) any { return theCatalogs[at] })
	write(*out, "requirements", *seed, number(2000), func(d draw, _ int) any { return d.pair() })
	write(*out, "sets", *seed, number(2000), func(d draw, _ int) any { return d.sets() })
	write(*out, "prices", *seed, number(1000), func(d draw, _ int) any { return d.prices() })
	write(*out, "costs", *seed, number(1000), func(d draw, _ int) any { return d.cost() })
	write(*out, "budgets", *seed, number(1000), func(d draw, _ int) any { return d.budgets() })
	kinds := []string{"plain", "topology", "mixed", "topology", "plain", "reserved", "many"}
	write(*out, "schedule", *seed, number(1050), func(d draw, at int) any { return d.schedule(kinds[at%len(kinds)]) })
	write(*out, "consolidation", *seed, number(1000), func(d draw, _ int) any {
		c := d.consolidation()
		c.record()
		return c
	})
}

// write makes cases, each from a generator of its own, and writes them as lines of JSON.
func write(out, name string, seed int64, cases int, make func(draw, int) any) {
	file := must(os.Create(filepath.Join(out, name+".jsonl.gz")))
	start := time.Now()
	zip := must(gzip.NewWriterLevel(file, gzip.BestCompression))
	encoder := json.NewEncoder(zip)
	for at := range cases {
		if at%100 == 99 {
			fmt.Fprintln(os.Stderr, name, at+1, time.Since(start).Round(time.Second))
		}
		check(encoder.Encode(make(draw{rand.New(rand.NewSource(seed*1_000_003 + int64(at)))}, at)))
	}
	check(zip.Close())
	check(file.Close())
	fmt.Println(name, cases, "cases in", time.Since(start).Round(time.Second))
}
