package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"runtime/debug"
	"slices"
	"strings"
)

// generate writes random clusters with one step a pending pod.
func generate(arguments []string) {
	flags := flag.NewFlagSet("generate", flag.ExitOnError)
	seed := flags.Int64("seed", 1, "seed of the first cluster; each further cluster has the next one")
	clusters := flags.Int("clusters", 40, "number of clusters")
	chosen := flags.String("features", "all", "comma-separated features, or all: "+strings.Join(featureNames(), ","))
	name := flags.String("name", "mixed", "prefix of the names of the clusters")
	output := flags.String("o", "/dev/stdout", "file to write, compressed if it ends in .gz")
	must(flags.Parse(arguments))
	list := strings.Split(*chosen, ",")
	if *chosen == "all" {
		list = featureNames()
	}
	writeLines(*output, scheduleLines(*name, *seed, *clusters, list))
}

func scheduleLines(name string, seed int64, clusters int, list []string) []any {
	lines := []any{newHeader("scheduler", seed, list)}
	for i := range clusters {
		lines = append(lines, generateCluster(fmt.Sprintf("%s-%04d", name, i), seed+int64(i), list))
	}
	return lines
}

func newHeader(kind string, seed int64, list []string) header {
	return header{Kind: kind, Release: release(), Seed: seed, Features: list}
}

// release is the version of the Kubernetes module that this program was built with.
func release() string {
	info, _ := debug.ReadBuildInfo()
	for _, module := range info.Deps {
		if module.Path == "k8s.io/kubernetes" {
			return module.Version
		}
	}
	panic("built without k8s.io/kubernetes")
}

func featureNames() []string { return slices.Sorted(maps.Keys(features)) }

// generateCluster draws one cluster and lets its pending pods be scheduled.
func generateCluster(name string, seed int64, list []string) clusterCase {
	b := newBuilder(seed, list)
	b.build()
	result := clusterCase{Name: name, Seed: seed, Config: b.config()}
	w := newWorld(result.Config)
	defer w.cancel()
	for _, object := range b.all() {
		result.Objects = append(result.Objects, manifest(object))
		w.apply(object)
	}
	result.Nodes = w.nodeNames()
	result.Steps = runSteps(w, rand.New(rand.NewPCG(uint64(seed), 2)), b.pendingKeys())
	return result
}

// runSteps tries every pending pod, the nominated ones again once there is room for them, and a few of the refused ones
// again at the end, when more pods are bound.
func runSteps(w *world, random *rand.Rand, queue []string) []step {
	var steps []step
	var refused []string
	last := false
	for limit := 2*len(queue) + 2; len(queue) > 0 && len(steps) < limit; {
		pod := queue[0]
		queue = queue[1:]
		cycle := runStep(w, pod)
		outcome := cycle.advance(len(steps))
		steps = append(steps, cycle.step)
		switch {
		case outcome == nominated && (random.IntN(3) > 0 || len(queue) == 0):
			queue = append([]string{pod}, queue...)
		case outcome == nominated:
			queue = slices.Insert(queue, 1, pod)
		case outcome == left:
			refused = append(refused, pod)
		}
		if len(queue) == 0 && !last {
			queue, last = refused[:min(2, len(refused))], true
		}
	}
	return steps
}

// config is the scheduler configuration, or nothing when no feature asked for one.
func (b *builder) config() json.RawMessage {
	if len(b.profiles) == 0 && len(b.arguments) == 0 {
		return nil
	}
	var pluginConfig []any
	for _, name := range slices.Sorted(maps.Keys(b.arguments)) {
		pluginConfig = append(pluginConfig, map[string]any{"name": name, "args": b.arguments[name]})
	}
	first := map[string]any{"schedulerName": "default-scheduler"}
	if len(pluginConfig) > 0 {
		first["pluginConfig"] = pluginConfig
	}
	if b.plugins != nil {
		first["plugins"] = b.plugins
	}
	return schedulerConfig(append([]any{first}, b.profiles...))
}
