package main

import v1 "k8s.io/api/core/v1"

func taintsNode(b *builder, node *v1.Node) {
	for range b.IntN(3) {
		if !b.chance(60) {
			continue
		}
		node.Spec.Taints = append(node.Spec.Taints, v1.Taint{
			Key:    pick(b, "dedicated", "spot", "maintenance"),
			Value:  pick(b, "", "x", "y"),
			Effect: pick(b, v1.TaintEffectNoSchedule, v1.TaintEffectPreferNoSchedule, v1.TaintEffectPreferNoSchedule, v1.TaintEffectNoExecute),
		})
	}
}

func taintsPod(b *builder, pod *v1.Pod) {
	for range b.IntN(4) {
		toleration := v1.Toleration{Key: pick(b, "dedicated", "spot", "maintenance", "other"), Operator: pick(b, "", v1.TolerationOpEqual, v1.TolerationOpExists)}
		if toleration.Operator != v1.TolerationOpExists {
			toleration.Value = pick(b, "", "x", "y")
		} else if b.chance(15) {
			toleration.Key = ""
		}
		if b.chance(70) {
			toleration.Effect = pick(b, v1.TaintEffectNoSchedule, v1.TaintEffectPreferNoSchedule, v1.TaintEffectNoExecute)
		}
		if toleration.Effect == v1.TaintEffectNoExecute && b.chance(30) {
			seconds := int64(30)
			toleration.TolerationSeconds = &seconds
		}
		pod.Spec.Tolerations = append(pod.Spec.Tolerations, toleration)
	}
	if b.chance(5) {
		pod.Spec.Tolerations = append(pod.Spec.Tolerations, v1.Toleration{Key: v1.TaintNodeUnschedulable, Operator: v1.TolerationOpExists, Effect: v1.TaintEffectNoSchedule})
	}
}
