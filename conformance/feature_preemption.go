package main

import (
	"fmt"

	v1 "k8s.io/api/core/v1"
	policy "k8s.io/api/policy/v1"
	scheduling "k8s.io/api/scheduling/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

var priorities = map[string]int32{"low": 10, "middle": 100, "high": 1000}

func preemptionCluster(b *builder) {
	b.tight = true
	for _, name := range []string{"low", "middle", "high"} {
		b.others = append(b.others, &scheduling.PriorityClass{ObjectMeta: metav1.ObjectMeta{Name: name}, Value: priorities[name]})
	}
}

func preemptionPod(b *builder, pod *v1.Pod) {
	name := pick(b, "", "low", "low", "middle")
	if pod.Spec.NodeName == "" {
		name = pick(b, "middle", "high", "high", "low")
		// Large requests make refusals, and so preemption, the rule.
		if b.chance(60) && pod.Spec.Resources == nil {
			pod.Spec.Containers[0].Resources = v1.ResourceRequirements{Requests: resources("cpu", pick(b, "900m", "1500m", "1900m"), "memory", "700Mi")}
		}
		if b.chance(10) {
			never := v1.PreemptNever
			pod.Spec.PreemptionPolicy = &never
		}
	} else if b.chance(5) {
		negative := int32(-5)
		pod.Spec.Priority = &negative
		return
	}
	if name == "" {
		return
	}
	value := priorities[name]
	pod.Spec.PriorityClassName = name
	pod.Spec.Priority = &value
}

// preemptionFinish adds disruption budgets, whose status the disruption controller would have set.
func preemptionFinish(b *builder) {
	for i := range b.IntN(6) {
		budget := &policy.PodDisruptionBudget{ObjectMeta: metav1.ObjectMeta{Namespace: pick(b, namespaces...), Name: fmt.Sprintf("budget%d", i)}}
		available := intstr.FromInt32(1)
		budget.Spec.MinAvailable = &available
		budget.Spec.Selector = drawSelector(b)
		budget.Status.DisruptionsAllowed = int32(b.IntN(3))
		if b.chance(15) && len(b.bound) > 0 {
			pod := b.bound[b.IntN(len(b.bound))]
			budget.Namespace = pod.Namespace
			budget.Status.DisruptedPods = map[string]metav1.Time{pod.Name: metav1.NewTime(epoch)}
		}
		b.others = append(b.others, budget)
	}
}
