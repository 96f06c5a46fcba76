package hpa

import (
	"encoding/json"
	"fmt"
	"strings"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"k8s.io/kubernetes/pkg/apis/autoscaling"
	conversions "k8s.io/kubernetes/pkg/apis/autoscaling/v2"
	"k8s.io/kubernetes/pkg/apis/autoscaling/validation"
)

// refusal is a spec as a user writes it, and what the API server says of it.
type refusal struct {
	Name   string         `json:"name"`
	NoZero bool           `json:"noZero,omitempty"`
	Spec   map[string]any `json:"spec"`
	// Fields below spec, each with what is wrong.
	Want [][2]string `json:"want,omitempty"`
}

// Refusals draws specs with mistakes and has upstream's validation find them.
func Refusals(seed int64, count int) []any {
	var lines []any
	for i := range count {
		d := newDraw(seed, 3, uint64(i))
		h := &history{Flags: flags{NoZero: d.often(30)}}
		c := &cluster{draw: d, h: h}
		c.drawSpec()
		for range d.IntN(4) {
			c.spoil()
		}
		lines = append(lines, &refusal{Name: fmt.Sprintf("refusal-%04d", i), NoZero: h.Flags.NoZero, Spec: written(h.Spec), Want: refused(h)})
	}
	return lines
}

// written is the spec as a manifest: Go's types leave out lists that are written and empty.
func written(spec autoscalingv2.HorizontalPodAutoscalerSpec) map[string]any {
	text, err := json.Marshal(spec)
	must(err)
	var manifest map[string]any
	must(json.Unmarshal(text, &manifest))
	if spec.Behavior == nil {
		return manifest
	}
	directions := map[string]*autoscalingv2.HPAScalingRules{"scaleUp": spec.Behavior.ScaleUp, "scaleDown": spec.Behavior.ScaleDown}
	for name, rules := range directions {
		if rules != nil && rules.Policies != nil && len(rules.Policies) == 0 {
			manifest["behavior"].(map[string]any)[name].(map[string]any)["policies"] = []any{}
		}
	}
	return manifest
}

// refused asks upstream, after the defaults, as the API server does.
func refused(h *history) [][2]string {
	v2 := &autoscalingv2.HorizontalPodAutoscaler{}
	v2.Name, v2.Namespace = "web", namespace
	h.Spec.DeepCopyInto(&v2.Spec)
	conversions.SetDefaults_HorizontalPodAutoscaler(v2)
	internal := &autoscaling.HorizontalPodAutoscaler{}
	must(conversions.Convert_v2_HorizontalPodAutoscaler_To_autoscaling_HorizontalPodAutoscaler(v2, internal, nil))
	options := validation.HorizontalPodAutoscalerSpecValidationOptions{
		MinReplicasLowerBound:          1,
		ObjectMetricsValidationOptions: validation.CrossVersionObjectReferenceValidationOptions{AllowEmptyAPIGroup: true},
	}
	if !h.Flags.NoZero {
		options.MinReplicasLowerBound = 0
	}
	var list [][2]string
	for _, err := range validation.ValidateHorizontalPodAutoscaler(internal, options) {
		list = append(list, [2]string{strings.TrimPrefix(err.Field, "spec."), err.Detail})
	}
	return list
}

// spoil makes one mistake, or none where there is nothing to make it with.
func (c *cluster) spoil() {
	spec := &c.h.Spec
	switch c.IntN(5) {
	case 0:
		spec.MinReplicas = ptr(pick[int32](c.draw, -1, 0, 1, 7))
	case 1:
		spec.MaxReplicas = pick[int32](c.draw, -1, 0, 3)
	case 2:
		c.spoilBehavior()
	default:
		if len(spec.Metrics) > 0 {
			c.spoilMetric(&spec.Metrics[c.IntN(len(spec.Metrics))])
		}
	}
}

func (c *cluster) spoilBehavior() {
	behavior := &autoscalingv2.HorizontalPodAutoscalerBehavior{ScaleUp: c.rules(), ScaleDown: c.rules()}
	for _, rules := range []*autoscalingv2.HPAScalingRules{behavior.ScaleUp, behavior.ScaleDown} {
		if rules == nil {
			continue
		}
		switch c.IntN(4) {
		case 0:
			rules.StabilizationWindowSeconds = ptr(pick[int32](c.draw, -1, 3600, 3601))
		case 1:
			rules.Policies = []autoscalingv2.HPAScalingPolicy{}
		case 2:
			for i := range rules.Policies {
				rules.Policies[i].Value = pick[int32](c.draw, -1, 0, 1)
				rules.Policies[i].PeriodSeconds = pick[int32](c.draw, -1, 0, 1, 1800, 1801)
			}
		}
	}
	c.h.Spec.Behavior = behavior
}

func (c *cluster) spoilMetric(metric *autoscalingv2.MetricSpec) {
	switch {
	case metric.Resource != nil:
		if c.often(20) {
			metric.Resource.Name = ""
		}
		c.spoilTarget(&metric.Resource.Target)
	case metric.ContainerResource != nil:
		if c.often(30) {
			metric.ContainerResource.Container = ""
		}
		c.spoilTarget(&metric.ContainerResource.Target)
	case metric.Pods != nil:
		c.spoilName(&metric.Pods.Metric)
		metric.Pods.Target.AverageValue = milli(0)
	case metric.Object != nil:
		c.spoilName(&metric.Object.Metric)
		object := &metric.Object.DescribedObject
		object.Kind, object.Name = pick(c.draw, "", "Service"), pick(c.draw, "", "front")
		c.spoilTarget(&metric.Object.Target)
	case metric.External != nil:
		c.spoilName(&metric.External.Metric)
		c.spoilTarget(&metric.External.Target)
	}
}

func (c *cluster) spoilName(metric *autoscalingv2.MetricIdentifier) {
	if c.often(30) {
		metric.Name = ""
	}
}

func (c *cluster) spoilTarget(target *autoscalingv2.MetricTarget) {
	switch c.IntN(5) {
	case 0:
		target.Value, target.AverageValue, target.AverageUtilization = nil, nil, nil
	case 1:
		target.Value, target.AverageValue = milli(5), milli(7)
	case 2:
		target.AverageUtilization = ptr(pick[int32](c.draw, -1, 0, 1))
	case 3:
		target.Value = milli(0)
	default:
		target.AverageValue = milli(0)
	}
}
