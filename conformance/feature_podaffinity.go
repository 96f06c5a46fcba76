package main

import (
	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func podAffinityCluster(b *builder) {
	arguments := map[string]any{}
	if b.chance(30) {
		arguments["hardPodAffinityWeight"] = b.IntN(101)
	}
	if b.chance(25) {
		arguments["ignorePreferredTermsOfExistingPods"] = true
	}
	if len(arguments) > 0 {
		b.arguments["InterPodAffinity"] = arguments
	}
}

func podAffinityPod(b *builder, pod *v1.Pod) {
	// Bound pods bear terms too: they act on the incoming pod in reverse.
	if b.chance(map[bool]int{true: 65, false: 35}[pod.Spec.NodeName != ""]) {
		return
	}
	if pod.Spec.Affinity == nil {
		pod.Spec.Affinity = &v1.Affinity{}
	}
	if b.chance(55) {
		affinity := &v1.PodAffinity{}
		if b.chance(45) {
			affinity.RequiredDuringSchedulingIgnoredDuringExecution = drawPodTerms(b, pod, 2)
		}
		if b.chance(60) {
			affinity.PreferredDuringSchedulingIgnoredDuringExecution = drawWeightedPodTerms(b, pod)
		}
		pod.Spec.Affinity.PodAffinity = affinity
	}
	if b.chance(55) {
		anti := &v1.PodAntiAffinity{}
		if b.chance(40) {
			anti.RequiredDuringSchedulingIgnoredDuringExecution = drawPodTerms(b, pod, 2)
		}
		if b.chance(60) {
			anti.PreferredDuringSchedulingIgnoredDuringExecution = drawWeightedPodTerms(b, pod)
		}
		pod.Spec.Affinity.PodAntiAffinity = anti
	}
}

func drawWeightedPodTerms(b *builder, pod *v1.Pod) []v1.WeightedPodAffinityTerm {
	var list []v1.WeightedPodAffinityTerm
	for _, term := range drawPodTerms(b, pod, 3) {
		list = append(list, v1.WeightedPodAffinityTerm{Weight: int32(1 + b.IntN(100)), PodAffinityTerm: term})
	}
	return list
}

func drawPodTerms(b *builder, pod *v1.Pod, most int) []v1.PodAffinityTerm {
	var terms []v1.PodAffinityTerm
	for range 1 + b.IntN(most) {
		terms = append(terms, drawPodTerm(b, pod))
	}
	return terms
}

func drawPodTerm(b *builder, pod *v1.Pod) v1.PodAffinityTerm {
	term := v1.PodAffinityTerm{TopologyKey: pick(b, zoneKey, zoneKey, hostKey, hostKey, regionKey, "disk"), LabelSelector: drawSelector(b)}
	// Often a pod is bound to its own kind, as a first one of a series has to be let in.
	if b.chance(25) {
		term.LabelSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"app": pod.Labels["app"]}}
	}
	switch b.IntN(6) {
	case 0:
		term.Namespaces = []string{pick(b, namespaces...)}
	case 1:
		term.NamespaceSelector = &metav1.LabelSelector{}
	case 2:
		term.NamespaceSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"stage": pick(b, "test", "live")}}
	case 3:
		term.Namespaces = []string{pick(b, namespaces...)}
		term.NamespaceSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"team": pick(b, "a", "b", "c")}}
	}
	if term.LabelSelector != nil && b.chance(20) {
		mergeLabelKeys(b, pod, &term)
	}
	return term
}

// mergeLabelKeys sets matchLabelKeys or mismatchLabelKeys together with the requirement that the API server adds for them.
func mergeLabelKeys(b *builder, pod *v1.Pod, term *v1.PodAffinityTerm) {
	label := pick(b, "version", "tier")
	operator := metav1.LabelSelectorOpIn
	if b.chance(50) {
		term.MatchLabelKeys = []string{label}
	} else {
		term.MismatchLabelKeys = []string{label}
		operator = metav1.LabelSelectorOpNotIn
	}
	if value, ok := pod.Labels[label]; ok {
		selector := term.LabelSelector.DeepCopy()
		selector.MatchExpressions = append(selector.MatchExpressions, metav1.LabelSelectorRequirement{Key: label, Operator: operator, Values: []string{value}})
		term.LabelSelector = selector
	}
}
