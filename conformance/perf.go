package main

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	clienttesting "k8s.io/client-go/testing"
)

// perf measures the real scheduler on named workloads: its own Run loop, queue, parallel filters and binding cycles. Only the API
// server is missing, so that its rates are higher than those of upstream's own benchmark, which has one.
func perf(arguments []string) {
	flags := flag.NewFlagSet("perf", flag.ExitOnError)
	nodes := flags.String("nodes", "500,5000", "comma-separated numbers of nodes")
	pods := flags.Int("pods", 1000, "number of measured pods")
	chosen := flags.String("workloads", "all", "comma-separated workloads, or all")
	limit := flags.Duration("limit", 2*time.Minute, "longest time for one workload")
	must(flags.Parse(arguments))
	fmt.Println("workload,nodes,initial_pods,pods,scheduled,time_s,rate_pods_per_s")
	for _, text := range strings.Split(*nodes, ",") {
		count, err := strconv.Atoi(text)
		must(err)
		for _, load := range workloads {
			if *chosen == "all" || slices.Contains(strings.Split(*chosen, ","), load.name) {
				measure(load, count, *pods, *limit)
			}
		}
	}
}

// cluster stands in for the API server: it carries out what the scheduler writes, one write after the other.
type cluster struct {
	*world
	writes chan func()
	bound  atomic.Int64
}

func newCluster() *cluster {
	c := &cluster{world: newWorld(nil), writes: make(chan func(), 1<<16)}
	c.client.PrependReactor("*", "pods", c.react)
	return c
}

func (c *cluster) react(action clienttesting.Action) (bool, runtime.Object, error) {
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
	c.apply(pod)
	c.bound.Add(1)
}

// measure brings in the initial pods, unmeasured, and then times the measured ones until all of them are bound.
func measure(load workload, nodes, pods int, limit time.Duration) {
	c := newCluster()
	defer c.cancel()
	for _, namespace := range []string{"sched-0", "sched-1"} {
		c.apply(perfNamespace(namespace))
	}
	for i := range nodes {
		c.apply(perfNode(i, load))
	}
	initial := load.initial(nodes)
	for i := range initial {
		pod := load.initialPod(i)
		pod.Name, pod.Namespace = fmt.Sprintf("initial-%d", i), "sched-0"
		pod.Spec.NodeName = fmt.Sprintf("node-%d", i%nodes)
		c.apply(pod)
	}
	for i := range pods {
		pod := load.pod(i)
		pod.Name, pod.Namespace = fmt.Sprintf("measured-%d", i), "sched-1"
		c.apply(pod)
	}
	started := time.Now()
	go c.scheduler.Run(c.ctx)
	for int(c.bound.Load()) < pods && time.Since(started) < limit {
		select {
		case write := <-c.writes:
			write()
		case <-time.After(10 * time.Millisecond):
		}
	}
	took := time.Since(started).Seconds()
	done := c.bound.Load()
	fmt.Fprintf(os.Stdout, "%s,%d,%d,%d,%d,%.3f,%.0f\n", load.name, nodes, initial, pods, done, took, float64(done)/took)
}
