package main

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// drawSelector is a selector over the labels that pods bear; nil matches nothing and an empty one everything.
func drawSelector(b *builder) *metav1.LabelSelector {
	switch b.IntN(12) {
	case 0:
		return &metav1.LabelSelector{}
	case 1:
		return nil
	case 2, 3:
		return &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{drawLabelRequirement(b)}}
	case 4:
		return &metav1.LabelSelector{
			MatchLabels:      map[string]string{"app": pick(b, applications...)},
			MatchExpressions: []metav1.LabelSelectorRequirement{drawLabelRequirement(b)},
		}
	}
	return &metav1.LabelSelector{MatchLabels: map[string]string{"app": pick(b, applications...)}}
}

func drawLabelRequirement(b *builder) metav1.LabelSelectorRequirement {
	switch b.IntN(4) {
	case 0:
		return metav1.LabelSelectorRequirement{Key: pick(b, "tier", "version"), Operator: metav1.LabelSelectorOpExists}
	case 1:
		return metav1.LabelSelectorRequirement{Key: pick(b, "tier", "version"), Operator: metav1.LabelSelectorOpDoesNotExist}
	case 2:
		return metav1.LabelSelectorRequirement{Key: "app", Operator: metav1.LabelSelectorOpNotIn, Values: []string{pick(b, applications...)}}
	}
	return metav1.LabelSelectorRequirement{Key: "app", Operator: metav1.LabelSelectorOpIn, Values: []string{pick(b, applications...), pick(b, applications...)}}
}
