package main

import (
	"context"
	"net/http"
	"time"
	"unsafe"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/cache"
	netv1alpha1 "knative.dev/networking/pkg/apis/networking/v1alpha1"

	_ "knative.dev/serving/pkg/activator/net"
	autoscalingv1alpha1 "knative.dev/serving/pkg/apis/autoscaling/v1alpha1"
	"knative.dev/serving/pkg/autoscaler/scaling"
	_ "knative.dev/serving/pkg/reconciler/autoscaling/kpa"
)

// What the packages keep to themselves is called all the same. The types below have the memory of those that it needs.

// kpa.scaler
type scaler struct {
	listerFactory  func(schema.GroupVersionResource) (cache.GenericLister, error)
	dynamicClient  dynamic.Interface
	transport      http.RoundTripper
	activatorProbe func(*autoscalingv1alpha1.PodAutoscaler, http.RoundTripper) (bool, error)
	probeManager   asyncProber
	enqueueCB      func(any, time.Duration)
}

type asyncProber interface {
	Offer(context.Context, string, any, time.Duration, time.Duration, ...any) bool
}

// kpa.podCounts
type podCounts struct{ want, ready, notReady, pending, terminating int }

// The first fields of net.revisionThrottler.
type revisionThrottler struct {
	revID                types.NamespacedName
	containerConcurrency int
}

//go:linkname handleScaleToZero knative.dev/serving/pkg/reconciler/autoscaling/kpa.(*scaler).handleScaleToZero
func handleScaleToZero(ks *scaler, ctx context.Context, pa *autoscalingv1alpha1.PodAutoscaler,
	sks *netv1alpha1.ServerlessService, desiredScale int32) (int32, bool)

//go:linkname resolveScrapeTarget knative.dev/serving/pkg/reconciler/autoscaling/kpa.resolveScrapeTarget
func resolveScrapeTarget(ctx context.Context, pa *autoscalingv1alpha1.PodAutoscaler) string

//go:linkname computeActiveCondition knative.dev/serving/pkg/reconciler/autoscaling/kpa.computeActiveCondition
func computeActiveCondition(ctx context.Context, pa *autoscalingv1alpha1.PodAutoscaler, pc podCounts)

//go:linkname computeNumActivators knative.dev/serving/pkg/reconciler/autoscaling/kpa.computeNumActivators
func computeNumActivators(readyPods int, decider *scaling.Decider) int32

//go:linkname applyBounds knative.dev/serving/pkg/reconciler/autoscaling/kpa.applyBounds
func applyBounds(min, max, x int32) int32

//go:linkname assignSlice knative.dev/serving/pkg/activator/net.assignSlice
func assignSlice(trackers []unsafe.Pointer, selfIndex, numActivators, cc int) []unsafe.Pointer

//go:linkname calculateCapacity knative.dev/serving/pkg/activator/net.(*revisionThrottler).calculateCapacity
func calculateCapacity(rt *revisionThrottler, backendCount, numTrackers, activatorCount int) int
