package hpa

import (
	"fmt"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// drawSpec draws an autoscaler as a user writes it, without the defaults.
func (c *cluster) drawSpec() {
	spec := &c.h.Spec
	spec.ScaleTargetRef = autoscalingv2.CrossVersionObjectReference{Kind: "Deployment", Name: "web", APIVersion: "apps/v1"}
	c.usesPods = c.often(35)
	spec.MaxReplicas = int32(pick[int64](c.draw, 10, 20, 50, 100, 1000))
	if c.usesPods {
		spec.MaxReplicas = int32(c.between(2, 8))
	}
	for n := range pick(c.draw, 1, 1, 1, 2, 2, 3) {
		spec.Metrics = append(spec.Metrics, c.metric(n))
	}
	if c.usesPods && c.often(4) {
		// The default: CPU.
		spec.Metrics = nil
		c.hasCPU = true
	}
	if c.often(80) {
		least := int32(c.between(1, 3))
		if !c.h.Flags.NoZero && c.often(45) && !c.usesPods {
			least = 0
		}
		spec.MinReplicas = ptr(min(least, spec.MaxReplicas))
	}
	if c.often(75) {
		spec.Behavior = &autoscalingv2.HorizontalPodAutoscalerBehavior{ScaleUp: c.rules(), ScaleDown: c.rules()}
	}
}

func milli(value int64) *resource.Quantity {
	return resource.NewMilliQuantity(value, resource.DecimalSI)
}

func (d draw) averageValue() autoscalingv2.MetricTarget {
	return autoscalingv2.MetricTarget{Type: autoscalingv2.AverageValueMetricType, AverageValue: milli(d.between(1, 100_000))}
}

// total is a target for an object or external metric.
func (d draw) target(percentOfValues int) autoscalingv2.MetricTarget {
	if d.often(percentOfValues) {
		return autoscalingv2.MetricTarget{Type: autoscalingv2.ValueMetricType, Value: milli(d.between(1, 100_000))}
	}
	return d.averageValue()
}

func (c *cluster) metric(number int) autoscalingv2.MetricSpec {
	identifier := autoscalingv2.MetricIdentifier{Name: fmt.Sprintf("load-%d", number), Selector: c.selector()}
	object := autoscalingv2.CrossVersionObjectReference{Kind: pick(c.draw, "Service", "Ingress"), Name: "front"}
	values := 8
	if c.usesPods {
		values = 50
	}
	kind := pick(c.draw, "object", "external", "external")
	if c.usesPods {
		kind = pick(c.draw, "resource", "resource", "resource", "container", "pods", "object", "external")
	}
	switch kind {
	case "resource":
		source := &autoscalingv2.ResourceMetricSource{Name: v1.ResourceName(pick(c.draw, "cpu", "cpu", "memory")), Target: c.usageTarget()}
		c.hasCPU, c.hasMemory = c.hasCPU || source.Name == v1.ResourceCPU, c.hasMemory || source.Name == v1.ResourceMemory
		return autoscalingv2.MetricSpec{Type: autoscalingv2.ResourceMetricSourceType, Resource: source}
	case "container":
		c.hasCPU = true
		source := &autoscalingv2.ContainerResourceMetricSource{Name: "cpu", Container: pick(c.draw, "app", "app", "app", "proxy"), Target: c.usageTarget()}
		return autoscalingv2.MetricSpec{Type: autoscalingv2.ContainerResourceMetricSourceType, ContainerResource: source}
	case "pods":
		return autoscalingv2.MetricSpec{Type: autoscalingv2.PodsMetricSourceType, Pods: &autoscalingv2.PodsMetricSource{Metric: identifier, Target: c.averageValue()}}
	case "object":
		source := &autoscalingv2.ObjectMetricSource{DescribedObject: object, Metric: identifier, Target: c.target(values)}
		if c.often(4) {
			// The API server lets it pass, the controller does not.
			source.Target.Type = autoscalingv2.UtilizationMetricType
		}
		return autoscalingv2.MetricSpec{Type: autoscalingv2.ObjectMetricSourceType, Object: source}
	default:
		return autoscalingv2.MetricSpec{Type: autoscalingv2.ExternalMetricSourceType, External: &autoscalingv2.ExternalMetricSource{Metric: identifier, Target: c.target(values)}}
	}
}

func (c *cluster) usageTarget() autoscalingv2.MetricTarget {
	if c.often(25) {
		return autoscalingv2.MetricTarget{Type: autoscalingv2.AverageValueMetricType, AverageValue: milli(pick[int64](c.draw, 100, 250, 500))}
	}
	return autoscalingv2.MetricTarget{Type: autoscalingv2.UtilizationMetricType, AverageUtilization: ptr(pick[int32](c.draw, 20, 50, 80, 120))}
}

func (c *cluster) rules() *autoscalingv2.HPAScalingRules {
	if c.often(25) {
		return nil
	}
	rules := &autoscalingv2.HPAScalingRules{}
	if c.often(60) {
		rules.StabilizationWindowSeconds = ptr(pick[int32](c.draw, 0, 0, 15, 30, 60, 120, 300, 3600))
	}
	if c.often(60) {
		rules.SelectPolicy = ptr(pick(c.draw, autoscalingv2.MaxChangePolicySelect, autoscalingv2.MinChangePolicySelect, autoscalingv2.MaxChangePolicySelect, autoscalingv2.MinChangePolicySelect, autoscalingv2.DisabledPolicySelect))
	}
	if c.often(65) {
		for range 1 + c.IntN(3) {
			policy := autoscalingv2.HPAScalingPolicy{Type: autoscalingv2.PodsScalingPolicy, Value: int32(c.between(1, 6))}
			if c.often(50) {
				policy = autoscalingv2.HPAScalingPolicy{Type: autoscalingv2.PercentScalingPolicy, Value: pick[int32](c.draw, 1, 10, 25, 33, 50, 100, 150, 900)}
			}
			policy.PeriodSeconds = pick[int32](c.draw, 1, 15, 15, 30, 60, 60, 120, 300, 1800)
			rules.Policies = append(rules.Policies, policy)
		}
	}
	if c.often(30) {
		rules.Tolerance = milli(pick[int64](c.draw, 0, 10, 50, 57, 123, 200, 290, 500))
	}
	return rules
}
