package main

import (
	"math/rand/v2"
	"unsafe"

	"knative.dev/serving/pkg/autoscaler/scaling"
	"wavetank.dev/conformance/vectors"
)

type activatorLine struct {
	Pods        int `json:"pods"`
	Own         int `json:"own"`
	Activators  int `json:"activators"`
	Concurrency int `json:"concurrency,omitempty"`
	Backends    int `json:"backends,omitempty"`
	// What upstream says: the pods by number, and the capacity with and without their addresses.
	Assigned      []int `json:"assigned,omitempty"`
	Capacity      int   `json:"capacity,omitempty"`
	CapacityByOne int   `json:"capacityByOne,omitempty"`
	// How many activators a revision needs.
	Total  float64 `json:"total"`
	Burst  float64 `json:"burst"`
	Each   float64 `json:"each"`
	Needed int32   `json:"needed"`
}

func activatorCase(random *rand.Rand) any {
	line := activatorLine{Pods: vectors.Between(random, 1, 30), Activators: vectors.Between(random, 1, 12)}
	line.Own = vectors.Between(random, -1, line.Activators-1)
	line.Concurrency = vectors.OneOf(random, 0, 1, 3, 100, 1<<30)
	line.Backends = vectors.OneOf(random, 0, line.Pods, vectors.Between(random, 0, 40))
	pods := make([]byte, line.Pods)
	trackers := make([]unsafe.Pointer, line.Pods)
	number := map[unsafe.Pointer]int{}
	for pod := range pods {
		trackers[pod] = unsafe.Pointer(&pods[pod])
		number[trackers[pod]] = pod
	}
	for _, tracker := range assignSlice(trackers, line.Own, line.Activators, line.Concurrency) {
		line.Assigned = append(line.Assigned, number[tracker])
	}
	rt := &revisionThrottler{containerConcurrency: line.Concurrency}
	line.Capacity = calculateCapacity(rt, line.Backends, len(line.Assigned), line.Activators)
	line.CapacityByOne = calculateCapacity(rt, line.Backends, 0, line.Activators)
	line.Total, line.Each = vectors.Value(random, 100)+0.01, 1+vectors.Value(random, 200)
	line.Burst = vectors.OneOf(random, -1, 0, 211, vectors.Value(random, 300))
	line.Needed = computeNumActivators(line.Pods, &scaling.Decider{Spec: scaling.DeciderSpec{
		TotalValue: line.Total, TargetBurstCapacity: line.Burst, ActivatorCapacity: line.Each,
	}})
	vectors.Hit("activator: fewer pods than activators", line.Activators > line.Pods)
	vectors.Hit("activator: not in the path", line.Own == -1)
	vectors.Hit("activator: division leaves pods over", line.Own >= 0 && line.Pods%line.Activators > line.Own)
	vectors.Hit("activator: no limit", line.Concurrency == 0)
	return line
}
