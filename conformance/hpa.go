package main

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"testing/synctest"

	"wavetank.dev/conformance/hpa"
)

// How many cases the committed files hold.
const (
	calculationCount = 1200
	historyCount     = 1000
)

// autoscalers writes the vectors of the horizontal pod autoscaler. Its controller reads the clock of the machine; a bubble
// of testing/synctest gives it one that stands still, and to make a bubble takes a test. So the program runs one, and ends
// with it.
func autoscalers(arguments []string) {
	flags := flag.NewFlagSet("hpa", flag.ExitOnError)
	seed := flags.Int64("seed", 1, "seed")
	scale := flags.Int("scale", 1, "how many times as many cases as in the committed files")
	directory := flags.String("out", "../tests/vectors/hpa", "directory to write to")
	must(flags.Parse(arguments))
	must(os.MkdirAll(*directory, 0o755))
	write := func(t *testing.T) {
		synctest.Test(t, func(*testing.T) {
			calculations := hpa.Calculations(*seed, calculationCount**scale)
			histories := hpa.Histories(*seed, historyCount**scale)
			writeLines(filepath.Join(*directory, "calculator.jsonl.gz"), withHeader("hpa-calculator", *seed, calculations))
			writeLines(filepath.Join(*directory, "histories.jsonl.gz"), withHeader("hpa-histories", *seed, histories))
		})
	}
	os.Args = os.Args[:1]
	all := func(string, string) (bool, error) { return true, nil }
	testing.Main(all, []testing.InternalTest{{Name: "hpa", F: write}}, nil, nil)
}

func withHeader(kind string, seed int64, lines []any) []any {
	return append([]any{newHeader(kind, seed, nil)}, lines...)
}

// runAutoscalers runs autoscalers in a program of its own, because it ends with it.
func runAutoscalers(seed int64, scale int, directory string) {
	self, err := os.Executable()
	must(err)
	command := exec.Command(self, "hpa", "--seed", strconv.FormatInt(seed, 10), "--scale", strconv.Itoa(scale), "--out", directory)
	command.Stderr = os.Stderr
	must(command.Run())
}
