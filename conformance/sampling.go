package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	frameworkruntime "k8s.io/kubernetes/pkg/scheduler/framework/runtime"
)

type orderOperation struct {
	Add    string `json:"add,omitempty"`
	Remove string `json:"remove,omitempty"`
	Region string `json:"region,omitempty"`
	Zone   string `json:"zone,omitempty"`
}

type orderCase struct {
	Case       string           `json:"case"`
	Operations []orderOperation `json:"operations"`
	Nodes      []string         `json:"nodes"`
}

type countCase struct {
	Case       string `json:"case"`
	Percentage int32  `json:"percentage"`
	Nodes      int    `json:"nodes"`
	Examine    int    `json:"examine"`
}

type rotationCase struct {
	Case       string          `json:"case"`
	Percentage int32           `json:"percentage"`
	Nodes      []string        `json:"nodes"`
	Reject     string          `json:"reject"`
	Cycles     []rotationCycle `json:"cycles"`
}

type rotationCycle struct {
	Start     int      `json:"start"`
	Feasible  []string `json:"feasible"`
	Processed int      `json:"processed"`
}

// sampling writes which nodes the scheduler examines, in which order, and where it goes on.
func sampling(arguments []string) {
	flags := flag.NewFlagSet("sampling", flag.ExitOnError)
	seed := flags.Int64("seed", 1, "seed of the file")
	output := flags.String("o", "/dev/stdout", "file to write, compressed if it ends in .gz")
	must(flags.Parse(arguments))
	writeLines(*output, samplingLines(*seed, 1))
}

func samplingLines(seed int64, scale int) []any {
	random := rand.New(rand.NewPCG(uint64(seed), 3))
	lines := []any{newHeader("sampling", seed, nil)}
	for range 20 * scale {
		lines = append(lines, drawOrder(random))
	}
	lines = append(lines, counts()...)
	for range 12 * scale {
		lines = append(lines, drawRotation(random))
	}
	return lines
}

func zonedNode(name, region, zone string) *v1.Node {
	labels := map[string]string{}
	if region != "" {
		labels[regionKey] = region
	}
	if zone != "" {
		labels[zoneKey] = zone
	}
	return &v1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels},
		Status:     v1.NodeStatus{Allocatable: resources("cpu", "4", "memory", "8Gi", "pods", "110")},
	}
}

// drawOrder adds and removes nodes, so that zones empty and fill again, which moves them to the end of the order.
func drawOrder(random *rand.Rand) orderCase {
	w := newWorld(nil)
	defer w.cancel()
	result := orderCase{Case: "order"}
	present := []*v1.Node{}
	for i := range 4 + random.IntN(40) {
		if len(present) > 0 && random.IntN(4) == 0 {
			at := random.IntN(len(present))
			w.removeNode(present[at])
			result.Operations = append(result.Operations, orderOperation{Remove: present[at].Name})
			present = append(present[:at], present[at+1:]...)
			continue
		}
		operation := orderOperation{
			Add:    fmt.Sprintf("n%d", i),
			Region: []string{"", "r1", "r2", "r1"}[random.IntN(4)],
			Zone:   []string{"", "a", "b", "c", "d"}[random.IntN(5)],
		}
		node := zonedNode(operation.Add, operation.Region, operation.Zone)
		present = append(present, node)
		w.apply(node)
		result.Operations = append(result.Operations, operation)
	}
	result.Nodes = w.nodeNames()
	return result
}

// counts tries every percentage, each in a profile of its own, on a growing cluster where every node is feasible.
func counts() []any {
	percentages := []int32{0, 1, 4, 5, 10, 33, 50, 70, 99, 100}
	var profiles []any
	for _, percentage := range percentages {
		profiles = append(profiles, map[string]any{"schedulerName": fmt.Sprint("p", percentage), "percentageOfNodesToScore": percentage})
	}
	w := newWorld(schedulerConfig(profiles), scheduler.WithParallelism(1))
	defer w.cancel()
	var lines []any
	size := 0
	for _, target := range []int{1, 2, 50, 99, 100, 101, 124, 125, 199, 200, 334, 500, 999, 1000, 2500, 5000, 5624, 5625, 5626, 6000} {
		for ; size < target; size++ {
			w.apply(zonedNode(fmt.Sprintf("n%d", size), "", ""))
		}
		w.refresh()
		for _, percentage := range percentages {
			pod := &v1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "p"}, Spec: v1.PodSpec{SchedulerName: fmt.Sprint("p", percentage)}}
			result, err := w.schedule(pod)
			must(err)
			lines = append(lines, countCase{Case: "count", Percentage: percentage, Nodes: size, Examine: result.FeasibleNodes})
		}
	}
	return lines
}

func schedulerConfig(profiles []any) []byte {
	text, err := json.Marshal(map[string]any{
		"apiVersion": "kubescheduler.config.k8s.io/v1", "kind": "KubeSchedulerConfiguration", "profiles": profiles,
	})
	must(err)
	return text
}

// gate is a filter that rejects fixed nodes and remembers which others it was asked about.
type gate struct {
	reject   map[string]bool
	accepted []string
}

func (g *gate) Name() string { return "Gate" }

func (g *gate) Filter(_ context.Context, _ fwk.CycleState, _ *v1.Pod, node fwk.NodeInfo) *fwk.Status {
	name := node.Node().Name
	if g.reject[name] {
		return fwk.NewStatus(fwk.Unschedulable, "rejected")
	}
	g.accepted = append(g.accepted, name)
	return nil
}

func drawRotation(random *rand.Rand) rotationCase {
	result := rotationCase{Case: "rotation", Percentage: []int32{0, 0, 10, 40, 100}[random.IntN(5)]}
	g := &gate{reject: map[string]bool{}}
	factory := func(context.Context, runtime.Object, fwk.Handle) (fwk.Plugin, error) { return g, nil }
	config := schedulerConfig([]any{map[string]any{
		"schedulerName":            "default-scheduler",
		"percentageOfNodesToScore": result.Percentage,
		"plugins": map[string]any{"filter": map[string]any{
			"disabled": []any{map[string]any{"name": "*"}}, "enabled": []any{map[string]any{"name": "Gate"}},
		}},
	}})
	w := newWorld(config, scheduler.WithParallelism(1), scheduler.WithFrameworkOutOfTreeRegistry(frameworkruntime.Registry{"Gate": factory}))
	defer w.cancel()
	for i := range []int{5, 60, 99, 100, 150, 260, 400}[random.IntN(7)] {
		w.apply(zonedNode(fmt.Sprintf("n%d", i), "r", []string{"a", "b", "c"}[random.IntN(3)]))
	}
	result.Nodes = w.nodeNames()
	reject := newBits(len(result.Nodes))
	share := []int{0, 20, 60, 100}[random.IntN(4)]
	for i, name := range result.Nodes {
		if random.IntN(100) < share {
			reject.set(i)
			g.reject[name] = true
		}
	}
	result.Reject = reject.String()
	start := 0
	for range 8 {
		cycle := rotate(w, g, start)
		result.Cycles = append(result.Cycles, cycle)
		start = (start + cycle.Processed) % len(result.Nodes)
	}
	return result
}

// rotate runs one real cycle and tells what it examined.
func rotate(w *world, g *gate, start int) rotationCycle {
	g.accepted = nil
	result, err := w.schedule(&v1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "p"}, Spec: v1.PodSpec{SchedulerName: "default-scheduler"}})
	var fitError *framework.FitError
	if errors.As(err, &fitError) {
		return rotationCycle{Start: start, Feasible: []string{}, Processed: fitError.Diagnosis.NodeToStatus.Len()}
	}
	must(err)
	return rotationCycle{Start: start, Feasible: g.accepted[:result.FeasibleNodes], Processed: result.EvaluatedNodes}
}

// schedule runs the scheduler's own cycle for a pod that is not in the cluster.
func (w *world) schedule(pod *v1.Pod) (scheduler.ScheduleResult, error) {
	podInfo, err := framework.NewPodInfo(pod)
	must(err)
	profile := w.scheduler.Profiles[pod.Spec.SchedulerName]
	return w.scheduler.SchedulePod(w.ctx, profile, framework.NewCycleState(), &framework.QueuedPodInfo{PodInfo: podInfo})
}

func (w *world) nodeNames() []string {
	w.refresh()
	nodes, err := w.snapshot.List()
	must(err)
	names := []string{}
	for _, node := range nodes {
		names = append(names, node.Node().Name)
	}
	return names
}
