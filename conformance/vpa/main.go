// Command vpa writes what the real Vertical Pod Autoscaler decides over random cases, for wavetank's tests to replay.
package main

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"

	"k8s.io/klog/v2"
)

// release is the module's version in go.mod.
const release = "1.8.1"

// component writes the cases of one part, and counts which branches they reach.
type component struct {
	name  string
	cases int
	write func(random *rand.Rand, number int, reached map[string]int) any
}

var components = []component{
	{"histograms", 1000, histogramCase},
	{"estimators", 1500, estimatorCase},
	{"recommender", 1000, recommenderCase},
	{"capping", 1400, cappingCase},
	{"priority", 1100, priorityCase},
	{"updater", 1100, updaterCase},
}

func main() {
	if len(os.Args) < 2 || os.Args[1] != "all" {
		fmt.Fprintln(os.Stderr, "usage: vpa all [--seed N] [--scale K] [--out DIR]")
		os.Exit(2)
	}
	flags := flag.NewFlagSet("all", flag.ExitOnError)
	seed := flags.Uint64("seed", 1, "other cases")
	scale := flags.Int("scale", 1, "so many times as many cases")
	out := flags.String("out", "../../tests/vectors", "directory in which vpa/ is written")
	_ = flags.Parse(os.Args[2:])
	quiet()
	for _, component := range components {
		if err := writeComponent(component, *seed, *scale, filepath.Join(*out, "vpa")); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}

// quiet keeps upstream's log from the terminal.
func quiet() {
	flags := flag.NewFlagSet("klog", flag.ContinueOnError)
	klog.InitFlags(flags)
	_ = flags.Set("logtostderr", "false")
	_ = flags.Set("alsologtostderr", "false")
	_ = flags.Set("stderrthreshold", "FATAL")
	klog.SetOutput(discard{})
}

type discard struct{}

func (discard) Write(bytes []byte) (int, error) { return len(bytes), nil }

func writeComponent(component component, seed uint64, scale int, out string) error {
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	file, err := newVectorFile(filepath.Join(out, component.name+".jsonl.gz"))
	if err != nil {
		return err
	}
	file.line(map[string]any{"kind": component.name, "release": release, "seed": seed})
	reached := map[string]int{}
	for number := range component.cases * scale {
		random := rand.New(rand.NewPCG(seed, uint64(number)<<8|uint64(len(component.name))))
		if one := component.write(random, number, reached); one != nil {
			file.line(one)
		} else {
			reached["left out"]++
		}
	}
	fmt.Printf("%s: %d cases\n", component.name, component.cases*scale)
	for _, name := range sortedKeys(reached) {
		fmt.Printf("    %8d  %s\n", reached[name], name)
	}
	return file.close()
}
