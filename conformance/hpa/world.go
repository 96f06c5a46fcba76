// Package hpa drives the horizontal pod autoscaler of Kubernetes over random worlds and writes what it decided, as vectors.
// FORMAT.md of the module describes the files.
package hpa

import (
	"context"
	"errors"
	"fmt"
	"time"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	autoscalingclient "k8s.io/client-go/kubernetes/typed/autoscaling/v2"
	v1core "k8s.io/client-go/kubernetes/typed/core/v1"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/scale"
	custom "k8s.io/metrics/pkg/apis/custom_metrics/v1beta2"
	external "k8s.io/metrics/pkg/apis/external_metrics/v1beta1"
	metrics "k8s.io/metrics/pkg/apis/metrics/v1beta1"
	metricsclient "k8s.io/metrics/pkg/client/clientset/versioned/typed/metrics/v1beta1"
	customclient "k8s.io/metrics/pkg/client/custom_metrics"
	externalclient "k8s.io/metrics/pkg/client/external_metrics"
)

const (
	namespace = "default"
	selector  = "app=web"
)

// container is what one container requests or uses; a null is not there.
type container struct {
	Name   string `json:"name"`
	CPU    *int64 `json:"cpu,omitempty"`    // milli-cores
	Memory *int64 `json:"memory,omitempty"` // bytes
}

// template is what a pod requests.
type template struct {
	Containers []container `json:"containers"`
	Sidecars   []container `json:"sidecars,omitempty"`
	PodLevel   *container  `json:"podLevel,omitempty"`
}

// pod is a pod at one instant. Instants are in milliseconds since the start of the case.
type pod struct {
	ID       int    `json:"id"`
	Template int    `json:"template,omitempty"`
	Phase    string `json:"phase,omitempty"` // Running where it is absent
	Deleted  bool   `json:"deleted,omitempty"`
	Started  *int64 `json:"started,omitempty"`
	Ready    string `json:"ready,omitempty"`
	Since    int64  `json:"since,omitempty"`
}

// usage is what the resource metrics API says of a pod.
type usage struct {
	Pod        int         `json:"pod"`
	At         int64       `json:"at"`
	Window     int64       `json:"window"`
	Containers []container `json:"containers"`
}

// sample is a metric of a pod.
type sample struct {
	Pod   int   `json:"pod"`
	Value int64 `json:"value"`
}

// samples is what the custom and external metrics APIs say of one metric.
type samples struct {
	Error  string   `json:"error,omitempty"`
	Pods   []sample `json:"pods,omitempty"`
	Object *int64   `json:"object,omitempty"`
	Series []int64  `json:"series,omitempty"`
}

// world is what the controller sees at one instant. It stands for every client and lister that the controller asks.
type world struct {
	Templates  []template         `json:"templates,omitempty"`
	Pods       []pod              `json:"pods,omitempty"`
	Usage      []usage            `json:"usage,omitempty"`
	UsageError string             `json:"usageError,omitempty"`
	Samples    map[string]samples `json:"samples,omitempty"` // by name of the metric

	start time.Time
	// Of histories.
	scale       *autoscalingv1.Scale
	scaleError  string
	updateError string
	written     *int32
	status      *autoscalingv2.HorizontalPodAutoscaler
	events      [][]string
}

func podName(id int) string { return fmt.Sprintf("pod-%d", id) }

func (w *world) at(ms int64) metav1.Time {
	return metav1.Time{Time: w.start.Add(time.Duration(ms) * time.Millisecond)}
}

func amounts(c container) v1.ResourceList {
	list := v1.ResourceList{}
	if c.CPU != nil {
		list[v1.ResourceCPU] = *resource.NewMilliQuantity(*c.CPU, resource.DecimalSI)
	}
	if c.Memory != nil {
		list[v1.ResourceMemory] = *resource.NewQuantity(*c.Memory, resource.BinarySI)
	}
	return list
}

func (w *world) build(p pod) *v1.Pod {
	built := &v1.Pod{ObjectMeta: metav1.ObjectMeta{Name: podName(p.ID), Namespace: namespace, Labels: map[string]string{"app": "web"}}}
	template := w.Templates[p.Template]
	for _, c := range template.Containers {
		built.Spec.Containers = append(built.Spec.Containers, v1.Container{Name: c.Name, Resources: v1.ResourceRequirements{Requests: amounts(c)}})
	}
	always := v1.ContainerRestartPolicyAlways
	for _, c := range template.Sidecars {
		sidecar := v1.Container{Name: c.Name, RestartPolicy: &always, Resources: v1.ResourceRequirements{Requests: amounts(c)}}
		built.Spec.InitContainers = append(built.Spec.InitContainers, sidecar)
	}
	if template.PodLevel != nil {
		built.Spec.Resources = &v1.ResourceRequirements{Requests: amounts(*template.PodLevel)}
	}
	built.Status.Phase = v1.PodPhase(p.Phase)
	if p.Phase == "" {
		built.Status.Phase = v1.PodRunning
	}
	if p.Deleted {
		now := w.at(0)
		built.DeletionTimestamp = &now
	}
	if p.Started != nil {
		started := w.at(*p.Started)
		built.Status.StartTime = &started
	}
	if p.Ready != "" {
		condition := v1.PodCondition{Type: v1.PodReady, Status: v1.ConditionStatus(p.Ready), LastTransitionTime: w.at(p.Since)}
		built.Status.Conditions = []v1.PodCondition{condition}
	}
	return built
}

// The pods, in the order of their ids: upstream's lister has none.
type podLister struct {
	corelisters.PodNamespaceLister
	w *world
}

func (l podLister) List(labels.Selector) ([]*v1.Pod, error) {
	var list []*v1.Pod
	for _, p := range l.w.Pods {
		list = append(list, l.w.build(p))
	}
	return list, nil
}
func (l podLister) Pods(string) corelisters.PodNamespaceLister { return l }

// The resource metrics API.
type podMetrics struct {
	metricsclient.PodMetricsInterface
	w *world
}

func (m podMetrics) PodMetricses(string) metricsclient.PodMetricsInterface { return m }

func (m podMetrics) List(context.Context, metav1.ListOptions) (*metrics.PodMetricsList, error) {
	if m.w.UsageError != "" {
		return nil, errors.New(m.w.UsageError)
	}
	list := &metrics.PodMetricsList{}
	for _, u := range m.w.Usage {
		item := metrics.PodMetrics{
			ObjectMeta: metav1.ObjectMeta{Name: podName(u.Pod), Namespace: namespace},
			Timestamp:  m.w.at(u.At),
			Window:     metav1.Duration{Duration: time.Duration(u.Window) * time.Millisecond},
		}
		for _, c := range u.Containers {
			item.Containers = append(item.Containers, metrics.ContainerMetrics{Name: c.Name, Usage: amounts(c)})
		}
		list.Items = append(list.Items, item)
	}
	return list, nil
}

// The custom metrics API.
type customMetrics struct{ w *world }

func (m customMetrics) RootScopedMetrics() customclient.MetricsInterface       { return m }
func (m customMetrics) NamespacedMetrics(string) customclient.MetricsInterface { return m }

func (m customMetrics) GetForObject(_ schema.GroupKind, _ string, name string, _ labels.Selector) (*custom.MetricValue, error) {
	answer := m.w.Samples[name]
	if answer.Error != "" {
		return nil, errors.New(answer.Error)
	}
	return &custom.MetricValue{Value: *resource.NewMilliQuantity(*answer.Object, resource.DecimalSI)}, nil
}

func (m customMetrics) GetForObjects(_ schema.GroupKind, _ labels.Selector, name string, _ labels.Selector) (*custom.MetricValueList, error) {
	answer := m.w.Samples[name]
	if answer.Error != "" {
		return nil, errors.New(answer.Error)
	}
	list := &custom.MetricValueList{}
	for _, s := range answer.Pods {
		item := custom.MetricValue{Value: *resource.NewMilliQuantity(s.Value, resource.DecimalSI)}
		item.DescribedObject.Name = podName(s.Pod)
		list.Items = append(list.Items, item)
	}
	return list, nil
}

// The external metrics API.
type externalMetrics struct{ w *world }

func (m externalMetrics) NamespacedMetrics(string) externalclient.MetricsInterface { return m }

func (m externalMetrics) List(name string, _ labels.Selector) (*external.ExternalMetricValueList, error) {
	answer := m.w.Samples[name]
	if answer.Error != "" {
		return nil, errors.New(answer.Error)
	}
	list := &external.ExternalMetricValueList{}
	for _, value := range answer.Series {
		list.Items = append(list.Items, external.ExternalMetricValue{Value: *resource.NewMilliQuantity(value, resource.DecimalSI)})
	}
	return list, nil
}

// The scale subresource.
type scales struct {
	scale.ScaleInterface
	w *world
}

func (s scales) Scales(string) scale.ScaleInterface { return s }

func (s scales) Get(context.Context, schema.GroupResource, string, metav1.GetOptions) (*autoscalingv1.Scale, error) {
	if s.w.scaleError != "" {
		return nil, errors.New(s.w.scaleError)
	}
	return s.w.scale.DeepCopy(), nil
}

func (s scales) Update(_ context.Context, _ schema.GroupResource, update *autoscalingv1.Scale, _ metav1.UpdateOptions) (*autoscalingv1.Scale, error) {
	if s.w.updateError != "" {
		return nil, errors.New(s.w.updateError)
	}
	s.w.written = &update.Spec.Replicas
	return update, nil
}

// The autoscaler's own status.
type statuses struct {
	autoscalingclient.HorizontalPodAutoscalerInterface
	w *world
}

func (s statuses) HorizontalPodAutoscalers(string) autoscalingclient.HorizontalPodAutoscalerInterface {
	return s
}

func (s statuses) UpdateStatus(_ context.Context, hpa *autoscalingv2.HorizontalPodAutoscaler, _ metav1.UpdateOptions) (*autoscalingv2.HorizontalPodAutoscaler, error) {
	s.w.status = hpa.DeepCopy()
	return hpa, nil
}

// mapper knows Deployments.
type mapper struct{ meta.RESTMapper }

func (mapper) RESTMappings(kind schema.GroupKind, _ ...string) ([]*meta.RESTMapping, error) {
	return []*meta.RESTMapping{{Resource: schema.GroupVersionResource{Group: kind.Group, Version: "v1", Resource: "deployments"}}}, nil
}

// noEvents is where the broadcaster would send events; the vectors take them from the recorder.
type noEvents struct{ v1core.EventInterface }

func (e noEvents) Events(string) v1core.EventInterface { return e }
