// Command conformance drives the scheduler packages of Kubernetes over random clusters and writes what they decided, as
// vectors that the tests of wavetank replay. FORMAT.md describes the files.
package main

import (
	"fmt"
	"io"
	"os"

	"k8s.io/klog/v2"
)

var commands = map[string]func(arguments []string){
	"generate": generate,
	"all":      all,
	"sampling": sampling,
	"queue":    queues,
	"hpa":      autoscalers,
	"perf":     perf,
}

func main() {
	// Plug-ins log refusals that are wanted here; what is wrong panics instead.
	klog.LogToStderr(false)
	klog.SetOutput(io.Discard)
	if len(os.Args) < 2 || commands[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: conformance all|generate|sampling|queue|hpa|perf [flags]")
		os.Exit(2)
	}
	commands[os.Args[1]](os.Args[2:])
}
