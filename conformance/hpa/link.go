package hpa

import (
	"context"
	"reflect"
	"unsafe" // and for go:linkname

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"k8s.io/kubernetes/pkg/controller/podautoscaler"
)

// One reconciliation, without the queue before it, which the package keeps to itself.
//
//go:linkname reconcile k8s.io/kubernetes/pkg/controller/podautoscaler.(*HorizontalController).reconcileAutoscaler
func reconcile(c *podautoscaler.HorizontalController, ctx context.Context, hpa *autoscalingv2.HorizontalPodAutoscaler, key string) error

// unexported is a field of the controller that no function sets.
func unexported(c *podautoscaler.HorizontalController, name string) reflect.Value {
	field := reflect.ValueOf(c).Elem().FieldByName(name)
	return reflect.NewAt(field.Type(), unsafe.Pointer(field.UnsafeAddr())).Elem()
}

// tolerancesOf makes upstream's type, whose fields are its own, in its own order.
func tolerancesOf(down, up float64) podautoscaler.Tolerances {
	mine := struct{ down, up float64 }{down, up}
	return *(*podautoscaler.Tolerances)(unsafe.Pointer(&mine))
}
