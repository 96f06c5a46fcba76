package main

import (
	"flag"
	"os"
	"path/filepath"
)

// vectorFile is one of the files that the repository keeps.
type vectorFile struct {
	name     string
	clusters int
	features []string
}

var vectorFiles = []vectorFile{
	{"basic", 40, []string{"basic"}},
	{"taints", 30, []string{"taints"}},
	{"affinity", 40, []string{"affinity"}},
	{"ports", 30, []string{"ports"}},
	{"images", 30, []string{"images"}},
	{"resources", 40, []string{"resources"}},
	{"spread", 50, []string{"spread", "affinity", "taints"}},
	{"podaffinity", 50, []string{"podaffinity"}},
	{"preemption", 50, []string{"preemption"}},
	{"preemption-mixed", 40, []string{"preemption", "spread", "podaffinity", "ports"}},
	{"volumes", 50, []string{"volumes"}},
	{"dra", 40, []string{"dra"}},
	{"profiles", 30, []string{"profiles", "affinity", "taints"}},
	{"mixed", 60, nil},
}

// all writes every file that the repository keeps. Seeds of different files do not meet.
func all(arguments []string) {
	flags := flag.NewFlagSet("all", flag.ExitOnError)
	seed := flags.Int64("seed", 1, "seed of the whole set")
	scale := flags.Int("scale", 1, "how many times as many clusters as in the committed files")
	directory := flags.String("out", "../tests/vectors", "directory to write to: scheduler and hpa below it")
	must(flags.Parse(arguments))
	scheduler := filepath.Join(*directory, "scheduler")
	must(os.MkdirAll(scheduler, 0o755))
	for i, file := range vectorFiles {
		list := file.features
		if list == nil {
			list = featureNames()
		}
		first := *seed*1_000_000 + int64(i)*10_000
		path := filepath.Join(scheduler, file.name+".jsonl.gz")
		writeLines(path, scheduleLines(file.name, first, file.clusters**scale, list))
	}
	writeLines(filepath.Join(scheduler, "sampling.jsonl.gz"), samplingLines(*seed, *scale))
	writeLines(filepath.Join(scheduler, "queue.jsonl.gz"), queueLines(*seed*1_000_000, 40**scale))
	runAutoscalers(*seed, *scale, filepath.Join(*directory, "hpa"))
}
