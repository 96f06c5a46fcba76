package hpa

import (
	"context"
	"fmt"
	"reflect"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	utilfeature "k8s.io/apiserver/pkg/util/feature"
	autoscalinglisters "k8s.io/client-go/listers/autoscaling/v2"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/record"
	"k8s.io/kubernetes/pkg/controller/podautoscaler"
	upstream "k8s.io/kubernetes/pkg/controller/podautoscaler/metrics"
	"k8s.io/kubernetes/pkg/controller/util/selectors"
)

// flags are those of the kube-controller-manager; durations are in milliseconds.
type flags struct {
	Downscale      int64   `json:"downscale,omitempty"`
	Tolerance      float64 `json:"tolerance"`
	Initialization int64   `json:"initialization,omitempty"`
	Readiness      int64   `json:"readiness,omitempty"`
	// NoZero switches the feature gate HPAScaleToZero off.
	NoZero bool `json:"noZero,omitempty"`
}

func ms(milliseconds int64) time.Duration { return time.Duration(milliseconds) * time.Millisecond }

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// clients is upstream's own client of the metrics APIs, over the world's answers.
func clients(w *world) upstream.MetricsClient {
	return upstream.NewRESTMetricsClient(podMetrics{w: w}, customMetrics{w}, externalMetrics{w})
}

// An informer that delivers nothing: the vectors call what the queue would call.
type podInformer struct{ w *world }

func (i podInformer) Informer() cache.SharedIndexInformer { return still(&v1.Pod{}) }
func (i podInformer) Lister() corelisters.PodLister       { return podLister{w: i.w} }

type hpaInformer struct{}

func (hpaInformer) Informer() cache.SharedIndexInformer {
	return still(&autoscalingv2.HorizontalPodAutoscaler{})
}
func (hpaInformer) Lister() autoscalinglisters.HorizontalPodAutoscalerLister { return nil }

func still(object runtime.Object) cache.SharedIndexInformer {
	return cache.NewSharedIndexInformer(&cache.ListWatch{}, object, 0, cache.Indexers{})
}

// recorder keeps events as they are handed in.
type recorder struct {
	record.EventRecorder
	w *world
}

func (r recorder) Event(_ runtime.Object, kind, reason, message string) {
	r.w.events = append(r.w.events, []string{kind, reason, message})
}

func (r recorder) Eventf(object runtime.Object, kind, reason, message string, arguments ...any) {
	r.Event(object, kind, reason, fmt.Sprintf(message, arguments...))
}

// driver is the real controller with a world around it.
type driver struct {
	controller *podautoscaler.HorizontalController
	w          *world
	cancel     context.CancelFunc
	ctx        context.Context
}

func newDriver(f flags, w *world) *driver {
	must(utilfeature.DefaultMutableFeatureGate.SetFromMap(map[string]bool{"HPAScaleToZero": !f.NoZero}))
	ctx, cancel := context.WithCancel(context.Background())
	controller := podautoscaler.NewHorizontalController(
		ctx, noEvents{}, scales{w: w}, statuses{w: w}, mapper{}, clients(w), hpaInformer{}, podInformer{w},
		15*time.Second, ms(f.Downscale), f.Tolerance, ms(f.Initialization), ms(f.Readiness),
	)
	unexported(controller, "eventRecorder").Set(reflect.ValueOf(recorder{w: w}))
	unexported(controller, "queue").MethodByName("ShutDown").Call(nil)
	return &driver{controller, w, cancel, ctx}
}

// register says that there is an autoscaler, and which pods it selects.
func (d *driver) register(name, selector string) {
	parsed, err := labels.Parse(selector)
	must(err)
	key := selectors.Key{Name: name, Namespace: namespace}
	put := unexported(d.controller, "selectorTracker").Elem().MethodByName("PutIfAbsent")
	put.Call([]reflect.Value{reflect.ValueOf(namespace), reflect.ValueOf(key), reflect.ValueOf(&parsed).Elem()})
}

func (d *driver) unregister(name string) {
	key := selectors.Key{Name: name, Namespace: namespace}
	del := unexported(d.controller, "selectorTracker").Elem().MethodByName("Delete")
	del.Call([]reflect.Value{reflect.ValueOf(namespace), reflect.ValueOf(key)})
}
