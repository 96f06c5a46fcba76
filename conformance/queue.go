package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"slices"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler"
	"k8s.io/kubernetes/pkg/scheduler/backend/queue"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	clock "k8s.io/utils/clock/testing"
)

type queueCase struct {
	Name       string           `json:"name"`
	Seed       int64            `json:"seed"`
	Config     json.RawMessage  `json:"config,omitempty"`
	Objects    []any            `json:"objects"`
	Operations []queueOperation `json:"operations"`
}

// queueOperation is one thing that happens, and the queues after it.
type queueOperation struct {
	Apply         any            `json:"apply,omitempty"`
	Delete        *deletedObject `json:"delete,omitempty"`
	AdvanceMillis int64          `json:"advanceMs,omitempty"`
	Pop           string         `json:"pop,omitempty"`
	Attempts      int            `json:"attempts,omitempty"`
	Fail          string         `json:"fail,omitempty"`
	Plugins       []string       `json:"plugins,omitempty"`
	Pending       []string       `json:"pending,omitempty"`
	Bind          string         `json:"bind,omitempty"`
	Node          string         `json:"node,omitempty"`
	Queues        queueContents  `json:"queues"`
}

type deletedObject struct {
	Kind string `json:"kind"`
	Name string `json:"name"`
}

type queueContents struct {
	Active        []string `json:"active,omitempty"`
	Backoff       []string `json:"backoff,omitempty"`
	Unschedulable []string `json:"unschedulable,omitempty"`
}

// attempt is a pod between pop and its end, with the verdict of the cycle that ran when it was popped.
type attempt struct {
	pod    *framework.QueuedPodInfo
	node   string
	status *fwk.Status
}

// queueRun drives the real queue through the real event handlers, under a simulated clock.
type queueRun struct {
	*builder
	world    *world
	clock    *clock.FakeClock
	queue    *queue.PriorityQueue
	arriving []*v1.Pod
	inFlight []attempt
	result   *queueCase
}

// queues writes random histories of the scheduling queue.
func queues(arguments []string) {
	flags := flag.NewFlagSet("queue", flag.ExitOnError)
	seed := flags.Int64("seed", 1, "seed of the first case")
	cases := flags.Int("cases", 40, "number of cases")
	output := flags.String("o", "/dev/stdout", "file to write, compressed if it ends in .gz")
	must(flags.Parse(arguments))
	writeLines(*output, queueLines(*seed, *cases))
}

var queueFeatures = []string{"taints", "affinity", "podaffinity", "ports", "spread"}

func queueLines(seed int64, cases int) []any {
	lines := []any{newHeader("queue", seed, queueFeatures)}
	for i := range cases {
		lines = append(lines, generateQueue(fmt.Sprintf("queue-%04d", i), seed+int64(i)))
	}
	return lines
}

func generateQueue(name string, seed int64) *queueCase {
	b := newBuilder(seed, queueFeatures)
	b.small = true
	b.build()
	// Without preemption a refused pod waits for events alone, which is what these vectors are about.
	b.plugins = map[string]any{"postFilter": map[string]any{"disabled": []any{map[string]any{"name": "*"}}}}
	r := &queueRun{builder: b, arriving: b.pending, clock: clock.NewFakeClock(epoch.Add(48 * time.Hour))}
	r.result = &queueCase{Name: name, Seed: seed, Config: b.config()}
	r.world = newWorld(r.result.Config, scheduler.WithClock(r.clock))
	defer r.world.cancel()
	r.queue = r.world.scheduler.SchedulingQueue.(*queue.PriorityQueue)
	b.pending = nil
	for _, object := range b.all() {
		r.result.Objects = append(r.result.Objects, manifest(object))
		r.world.apply(object)
	}
	for range 90 {
		r.operate()
	}
	return r.result
}

// record notes an operation with the contents of the queues after it. Pods within a queue are sorted by name: their
// real order is that of a heap, and shows when they are popped.
func (r *queueRun) record(operation queueOperation) {
	names := func(pods []*v1.Pod) []string {
		var list []string
		for _, pod := range pods {
			list = append(list, key(pod))
		}
		slices.Sort(list)
		return list
	}
	operation.Queues = queueContents{
		Active:        names(r.queue.PodsInActiveQ()),
		Backoff:       names(r.queue.PodsInBackoffQ()),
		Unschedulable: names(r.queue.UnschedulablePods()),
	}
	r.result.Operations = append(r.result.Operations, operation)
}

func (r *queueRun) apply(object runtime.Object) {
	r.advance(1)
	r.world.apply(object)
	r.record(queueOperation{Apply: manifest(object)})
}

// advance moves the clock, and lets the timers of the queue fire at every second and every half minute that it passes.
// Every operation takes a millisecond first, so that no two pods enter a queue at the same instant.
func (r *queueRun) advance(millis int64) {
	end := r.clock.Now().Add(time.Duration(millis) * time.Millisecond)
	for {
		next := r.clock.Now().Truncate(time.Second).Add(time.Second)
		if next.After(end) {
			break
		}
		r.clock.SetTime(next)
		flushBackoff(r.queue, klog.FromContext(r.world.ctx))
		if next.Unix()%30 == 0 {
			flushUnschedulable(r.queue, klog.FromContext(r.world.ctx))
		}
	}
	r.clock.SetTime(end)
}

// pop takes the next pod and runs its scheduling cycle at once; what follows happens while the pod is in flight.
func (r *queueRun) pop() {
	if len(r.queue.PodsInActiveQ())+len(r.queue.PodsInBackoffQ()) == 0 {
		return
	}
	r.advance(1)
	if len(r.queue.PodsInActiveQ())+len(r.queue.PodsInBackoffQ()) == 0 {
		return
	}
	entity, err := r.queue.Pop(klog.FromContext(r.world.ctx))
	must(err)
	pod := entity.(*framework.QueuedPodInfo)
	r.world.refresh()
	profile := r.world.scheduler.Profiles[pod.Pod.Spec.SchedulerName]
	outcome := attempt{pod: pod}
	_, err = r.world.scheduler.SchedulePod(r.world.ctx, profile, framework.NewCycleState(), &framework.QueuedPodInfo{PodInfo: pod.PodInfo})
	var fitError *framework.FitError
	switch {
	case err == nil:
		outcome.node = r.firstFeasible(profile, pod.Pod)
	case errors.As(err, &fitError):
		outcome.status = fwk.NewStatus(fwk.Unschedulable).WithError(err)
	case errors.Is(err, scheduler.ErrNoNodesAvailable):
		outcome.status = fwk.NewStatus(fwk.UnschedulableAndUnresolvable).WithError(err)
	default:
		must(err)
	}
	r.inFlight = append(r.inFlight, outcome)
	r.record(queueOperation{Pop: key(pod.Pod), Attempts: pod.Attempts})
}

// firstFeasible is a choice that does not depend on upstream's random tie-break.
func (r *queueRun) firstFeasible(profile framework.Framework, pod *v1.Pod) string {
	state := framework.NewCycleState()
	nodes, err := r.world.snapshot.List()
	must(err)
	_, status, _ := profile.RunPreFilterPlugins(r.world.ctx, state, pod)
	must(status.AsError())
	for _, node := range nodes {
		if profile.RunFilterPluginsWithNominatedPods(r.world.ctx, state, pod, node).IsSuccess() {
			return node.Node().Name
		}
	}
	panic("no feasible node after all")
}

// finish ends the attempt of the pod that is in flight the longest.
func (r *queueRun) finish() {
	if len(r.inFlight) == 0 {
		return
	}
	r.advance(1)
	outcome := r.inFlight[0]
	r.inFlight = r.inFlight[1:]
	name := key(outcome.pod.Pod)
	if outcome.node != "" {
		r.bind(outcome, name)
		return
	}
	operation := queueOperation{Fail: name}
	var fitError *framework.FitError
	if errors.As(outcome.status.AsError(), &fitError) {
		operation.Plugins = slices.Sorted(slices.Values(fitError.Diagnosis.UnschedulablePlugins.UnsortedList()))
		operation.Pending = slices.Sorted(slices.Values(fitError.Diagnosis.PendingPlugins.UnsortedList()))
	}
	profile := r.world.scheduler.Profiles[outcome.pod.Pod.Spec.SchedulerName]
	none := &fwk.NominatingInfo{NominatingMode: fwk.ModeOverride}
	r.world.scheduler.FailureHandler(r.world.ctx, profile, outcome.pod, outcome.status, none, r.clock.Now())
	r.record(operation)
}

// bind ends a successful attempt as the binding cycle and the informer that hears of it do.
func (r *queueRun) bind(outcome attempt, name string) {
	r.queue.Done(outcome.pod.Pod.UID)
	if !r.world.hasPod(name) {
		r.record(queueOperation{Bind: name, Node: ""})
		return
	}
	pod := r.world.pod(name).DeepCopy()
	pod.Spec.NodeName = outcome.node
	r.world.apply(pod)
	r.bound = append(r.bound, pod)
	r.record(queueOperation{Bind: name, Node: outcome.node})
}
