package main

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	k8sruntime "k8s.io/apimachinery/pkg/runtime"
	clienttesting "k8s.io/client-go/testing"
)

// perf measures the real scheduler on named workloads: its own Run loop, queue, parallel filters and binding cycles. Only the API
// server is missing, so that its rates are higher than those of upstream's own benchmark, which has one.
func perf(arguments []string) {
	flags := flag.NewFlagSet("perf", flag.ExitOnError)
	nodes := flags.String("nodes", "500,5000", "comma-separated numbers of nodes; 0 is each workload's own")
	pods := flags.Int("pods", 1000, "number of measured pods; 0 is each workload's own, in proportion to the nodes")
	chosen := flags.String("workloads", "all", "comma-separated workloads, or all")
	limit := flags.Duration("limit", 2*time.Minute, "longest time for the initial pods of a workload, and for its measured pods")
	must(flags.Parse(arguments))
	loads, err := chooseWorkloads(*chosen)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	fmt.Println("workload,nodes,initial_pods,pods,scheduled,time_s,rate_pods_per_s")
	for _, text := range strings.Split(*nodes, ",") {
		count, err := strconv.Atoi(text)
		must(err)
		for _, load := range loads {
			s := load.size(count, *pods)
			c, took := measure(load, s, *limit)
			c.cancel()
			fmt.Printf("%s,%d,%d,%d,%d,%.3f,%.0f\n", load.name, s.nodes, s.initial, s.measured, c.bound, took.Seconds(), float64(c.bound)/took.Seconds())
		}
	}
}

// chooseWorkloads finds workloads by their names; in the order of the table, whatever the order of the names.
func chooseWorkloads(names string) ([]workload, error) {
	if names == "all" {
		return workloads, nil
	}
	wanted := strings.Split(names, ",")
	var loads []workload
	for _, load := range workloads {
		if slices.Contains(wanted, load.name) {
			loads = append(loads, load)
			wanted = slices.DeleteFunc(wanted, func(name string) bool { return name == load.name })
		}
	}
	if len(wanted) > 0 {
		return nil, fmt.Errorf("no workload is called %s", strings.Join(wanted, " or "))
	}
	return loads, nil
}

// cluster stands in for the API server: it carries out what the scheduler writes, one write after the other.
type cluster struct {
	*world
	writes chan func()
	// bound is how many pods were bound since the last arrivals.
	bound int
}

func newCluster() *cluster {
	c := &cluster{world: newWorld(nil), writes: make(chan func(), 1<<16)}
	c.client.PrependReactor("*", "pods", c.react)
	return c
}

func (c *cluster) react(action clienttesting.Action) (bool, k8sruntime.Object, error) {
	switch write := action.(type) {
	case clienttesting.CreateActionImpl:
		if binding, ok := write.Object.(*v1.Binding); ok {
			c.writes <- func() { c.bindPod(binding) }
			return true, binding, nil
		}
	case clienttesting.DeleteActionImpl:
		name := write.Namespace + "/" + write.Name
		c.writes <- func() {
			if c.hasPod(name) {
				c.removePod(name)
			}
		}
		return true, nil, nil
	case clienttesting.PatchActionImpl:
		// Conditions and nominations in the API have no bearing on a scheduler that keeps them itself.
		if name := write.Namespace + "/" + write.Name; c.hasPod(name) {
			return true, c.pod(name), nil
		}
		return true, nil, apierrors.NewNotFound(v1.Resource("pods"), write.Name)
	}
	return false, nil, nil
}

func (c *cluster) bindPod(binding *v1.Binding) {
	pod := c.pod(binding.Namespace + "/" + binding.Name).DeepCopy()
	pod.Spec.NodeName = binding.Target.Name
	started := metav1.NewTime(epoch)
	pod.Status.StartTime = &started
	c.apply(pod)
	c.bound++
}

// measure has the scheduler place the initial pods, unmeasured, and then times the measured ones from the first arrival
// until all of them are bound.
func measure(load workload, s size, limit time.Duration) (*cluster, time.Duration) {
	c := newCluster()
	for _, namespace := range []string{metav1.NamespaceDefault, initialNamespace, measuredNamespace, serviceNamespace} {
		c.apply(perfNamespace(namespace))
	}
	for _, node := range load.nodes(s) {
		c.apply(node)
	}
	for _, object := range load.objects(s) {
		c.apply(object)
	}
	go c.scheduler.Run(c.ctx)
	took := c.arrive(numbered("initial", s.initial, load.initial), limit, func() {})
	if c.bound < s.initial {
		fmt.Fprintf(os.Stderr, "%s: %d of %d initial pods found a place in time, so nothing was measured\n", load.name, c.bound, s.initial)
		c.bound = 0
		return c, took
	}
	measured := numbered("measured", s.measured, load.measured)
	runtime.GC()
	round := 0
	return c, c.arrive(measured, limit, func() {
		for ; round < load.rounds(s) && round*load.every <= c.bound; round++ {
			load.meanwhile(c, round)
		}
	})
}

func numbered(prefix string, count int, pod func(i int) *v1.Pod) []*v1.Pod {
	pods := make([]*v1.Pod, count)
	for i := range pods {
		pods[i] = pod(i)
		pods[i].Name = fmt.Sprintf("%s-%d", prefix, i)
	}
	return pods
}

// arrive brings in the pods, all at once, and carries out what the scheduler writes until all are bound. It calls
// meanwhile after every write.
func (c *cluster) arrive(pods []*v1.Pod, limit time.Duration, meanwhile func()) time.Duration {
	c.bound = 0
	started := time.Now()
	for _, pod := range pods {
		c.apply(pod)
		meanwhile()
		select {
		case write := <-c.writes:
			write()
		default:
		}
	}
	for c.bound < len(pods) && time.Since(started) < limit {
		meanwhile()
		select {
		case write := <-c.writes:
			write()
		case <-time.After(10 * time.Millisecond):
		}
	}
	return time.Since(started)
}
