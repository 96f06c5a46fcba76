package main

import v1 "k8s.io/api/core/v1"

// profilesCluster draws weights, plug-ins that are switched off, and a second profile that scores by other rules.
func profilesCluster(b *builder) {
	if b.chance(50) {
		b.plugins = map[string]any{"multiPoint": map[string]any{
			"enabled": []any{map[string]any{"name": pick(b, "NodeAffinity", "TaintToleration", "NodeResourcesFit"), "weight": 1 + b.IntN(9)}},
		}}
	} else if b.chance(60) {
		b.plugins = map[string]any{"score": map[string]any{
			"disabled": []any{map[string]any{"name": pick(b, "NodeResourcesBalancedAllocation", "ImageLocality", "PodTopologySpread")}},
			"enabled":  []any{map[string]any{"name": "NodeResourcesFit", "weight": 1 + b.IntN(5)}},
		}}
		b.plugins["score"].(map[string]any)["disabled"] = append(b.plugins["score"].(map[string]any)["disabled"].([]any), map[string]any{"name": "NodeResourcesFit"})
	}
	second := map[string]any{"schedulerName": "second"}
	if b.chance(50) {
		second["plugins"] = map[string]any{
			"filter":     map[string]any{"disabled": []any{map[string]any{"name": pick(b, "NodePorts", "TaintToleration", "PodTopologySpread")}}},
			"postFilter": map[string]any{"disabled": []any{map[string]any{"name": "*"}}},
			"preScore":   map[string]any{"disabled": []any{map[string]any{"name": "*"}}},
			"score":      map[string]any{"disabled": []any{map[string]any{"name": "*"}}, "enabled": []any{map[string]any{"name": "NodeResourcesFit", "weight": 1}}},
		}
		second["plugins"].(map[string]any)["preScore"].(map[string]any)["enabled"] = []any{map[string]any{"name": "NodeResourcesFit"}}
	}
	b.profiles = append(b.profiles, second)
}

func profilesPod(b *builder, pod *v1.Pod) {
	if b.chance(40) {
		pod.Spec.SchedulerName = "second"
	}
}
