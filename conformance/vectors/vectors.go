// Package vectors writes files of random cases: a header, then one JSON value a line, packed.
package vectors

import (
	"compress/gzip"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
)

type header struct {
	Kind    string `json:"kind"`
	Release string `json:"release"`
	Seed    uint64 `json:"seed"`
}

// Sort is a sort of cases: its file, how many cases it has, and how one is made.
type Sort struct {
	Kind  string
	Cases int
	Case  func(random *rand.Rand) any
}

// Main writes a file for each sort, as the flags say.
func Main(component, release string, sorts []Sort) {
	seed := flag.Uint64("seed", 1, "the seed of all cases")
	scale := flag.Int("scale", 1, "so many times as many cases")
	out := flag.String("out", "", "the directory to write to")
	flag.Parse()
	if *out == "" {
		log.Fatal("-out is missing: the directory to write to")
	}
	if err := os.MkdirAll(*out, 0o755); err != nil {
		log.Fatal(err)
	}
	for _, sort := range sorts {
		head := header{component + "-" + sort.Kind, release, *seed}
		if err := sort.file(filepath.Join(*out, sort.Kind+".jsonl.gz"), head, *scale); err != nil {
			log.Fatal(err)
		}
	}
	fmt.Fprint(os.Stderr, branches.table())
}

func (s Sort) file(path string, head header, scale int) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	packed, err := gzip.NewWriterLevel(file, gzip.BestCompression)
	if err != nil {
		return err
	}
	if err := s.lines(packed, head, scale); err != nil {
		return err
	}
	if err := packed.Close(); err != nil {
		return err
	}
	return file.Close()
}

func (s Sort) lines(to io.Writer, head header, scale int) error {
	lines := json.NewEncoder(to)
	if err := lines.Encode(head); err != nil {
		return err
	}
	for number := range s.Cases * scale {
		// Each case has a source of its own, so that one does not depend on the others.
		random := rand.New(rand.NewPCG(head.Seed, uint64(number)<<8|uint64(len(s.Kind))))
		if err := lines.Encode(s.Case(random)); err != nil {
			return err
		}
	}
	return nil
}

// How often branches of upstream's code were taken, as far as the outcome tells.
type counts map[string]int

var branches = counts{}

// Hit counts a branch of upstream's code; one that is never hit is shown with 0.
func Hit(name string, is bool) {
	if is {
		branches[name]++
	} else {
		branches[name] += 0
	}
}

func (c counts) table() string {
	var lines strings.Builder
	for _, name := range SortedKeys(c) {
		fmt.Fprintf(&lines, "%-44s %7d\n", name, c[name])
	}
	return lines.String()
}
