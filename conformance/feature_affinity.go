package main

import v1 "k8s.io/api/core/v1"

// affinityCluster now and then gives the profile an affinity of its own, which every pod of the profile must satisfy.
func affinityCluster(b *builder) {
	if !b.chance(20) {
		return
	}
	added := &v1.NodeAffinity{}
	if b.chance(60) {
		added.RequiredDuringSchedulingIgnoredDuringExecution = &v1.NodeSelector{NodeSelectorTerms: []v1.NodeSelectorTerm{drawNodeTerm(b)}}
	}
	if b.chance(60) {
		added.PreferredDuringSchedulingIgnoredDuringExecution = drawPreferredNodeTerms(b)
	}
	b.arguments["NodeAffinity"] = map[string]any{"addedAffinity": added}
}

func affinityNode(b *builder, node *v1.Node) {
	if b.chance(80) {
		node.Labels["disk"] = pick(b, "ssd", "hdd")
	}
	if b.chance(60) {
		node.Labels["generation"] = pick(b, "1", "2", "3", "x")
	}
	if b.chance(50) {
		node.Labels["pool"] = pick(b, "blue", "green", "")
	}
}

func affinityPod(b *builder, pod *v1.Pod) {
	if b.chance(20) {
		pod.Spec.NodeSelector = map[string]string{"disk": pick(b, "ssd", "hdd")}
	}
	if b.chance(50) {
		return
	}
	if pod.Spec.Affinity == nil {
		pod.Spec.Affinity = &v1.Affinity{}
	}
	affinity := &v1.NodeAffinity{}
	if pod.Spec.Affinity.NodeAffinity != nil {
		affinity = pod.Spec.Affinity.NodeAffinity
	}
	pod.Spec.Affinity.NodeAffinity = affinity
	if b.chance(60) {
		required := &v1.NodeSelector{}
		for range 1 + b.IntN(2) {
			required.NodeSelectorTerms = append(required.NodeSelectorTerms, drawNodeTerm(b))
		}
		affinity.RequiredDuringSchedulingIgnoredDuringExecution = required
	}
	if b.chance(60) {
		affinity.PreferredDuringSchedulingIgnoredDuringExecution = drawPreferredNodeTerms(b)
	}
}

func drawPreferredNodeTerms(b *builder) []v1.PreferredSchedulingTerm {
	var terms []v1.PreferredSchedulingTerm
	for range 1 + b.IntN(3) {
		terms = append(terms, v1.PreferredSchedulingTerm{Weight: int32(1 + b.IntN(100)), Preference: drawNodeTerm(b)})
	}
	return terms
}

func drawNodeTerm(b *builder) v1.NodeSelectorTerm {
	var term v1.NodeSelectorTerm
	for range 1 + b.IntN(2) {
		term.MatchExpressions = append(term.MatchExpressions, drawNodeRequirement(b))
	}
	if b.chance(12) {
		operator := pick(b, v1.NodeSelectorOpIn, v1.NodeSelectorOpNotIn)
		term.MatchFields = []v1.NodeSelectorRequirement{{Key: "metadata.name", Operator: operator, Values: []string{pick(b, "n0", "n1", "n2", "n9")}}}
		if b.chance(50) {
			term.MatchExpressions = nil
		}
	}
	// A term without any requirement matches no node.
	if b.chance(4) {
		term = v1.NodeSelectorTerm{}
	}
	return term
}

func drawNodeRequirement(b *builder) v1.NodeSelectorRequirement {
	switch b.IntN(5) {
	case 0:
		return v1.NodeSelectorRequirement{Key: pick(b, "disk", "pool", "nothing"), Operator: v1.NodeSelectorOpExists}
	case 1:
		return v1.NodeSelectorRequirement{Key: pick(b, "pool", "generation", "nothing"), Operator: v1.NodeSelectorOpDoesNotExist}
	case 2:
		return v1.NodeSelectorRequirement{Key: "generation", Operator: pick(b, v1.NodeSelectorOpGt, v1.NodeSelectorOpLt), Values: []string{pick(b, "1", "2")}}
	case 3:
		return v1.NodeSelectorRequirement{Key: pick(b, "disk", "pool", zoneKey), Operator: v1.NodeSelectorOpNotIn, Values: []string{pick(b, "hdd", "blue", "a")}}
	}
	key := pick(b, "disk", "pool", zoneKey)
	values := map[string][]string{"disk": {"ssd", "hdd"}, "pool": {"blue", "green", ""}, zoneKey: {"a", "b", "c"}}[key]
	return v1.NodeSelectorRequirement{Key: key, Operator: v1.NodeSelectorOpIn, Values: append([]string{pick(b, values...)}, some(b, 1, values...)...)}
}
