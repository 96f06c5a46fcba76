package main

import (
	apps "k8s.io/api/apps/v1"
	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// spreadCluster adds what the default constraints go by (services and owners) and draws the plug-in's arguments.
func spreadCluster(b *builder) {
	selector := func(app string) map[string]string { return map[string]string{"app": app} }
	for _, namespace := range namespaces {
		meta := func(app string) metav1.ObjectMeta { return metav1.ObjectMeta{Namespace: namespace, Name: app} }
		if b.chance(60) {
			b.others = append(b.others, &v1.Service{ObjectMeta: meta("web"), Spec: v1.ServiceSpec{Selector: selector("web")}})
		}
		b.others = append(b.others, &apps.ReplicaSet{ObjectMeta: meta("api"), Spec: apps.ReplicaSetSpec{
			Selector: &metav1.LabelSelector{MatchLabels: selector("api")},
			Template: v1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: selector("api")}},
		}})
		b.others = append(b.others, &apps.StatefulSet{ObjectMeta: meta("db"), Spec: apps.StatefulSetSpec{
			Selector: &metav1.LabelSelector{MatchLabels: selector("db")},
			Template: v1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: selector("db")}},
		}})
		b.others = append(b.others, &v1.ReplicationController{ObjectMeta: meta("batch"), Spec: v1.ReplicationControllerSpec{Selector: selector("batch")}})
	}
	switch b.IntN(4) {
	case 0:
		b.arguments["PodTopologySpread"] = map[string]any{"defaultingType": "System"}
	case 1:
		b.arguments["PodTopologySpread"] = map[string]any{"defaultingType": "List", "defaultConstraints": drawDefaultConstraints(b)}
	}
}

func drawDefaultConstraints(b *builder) []any {
	var list []any
	for _, key := range some(b, 2, zoneKey, hostKey) {
		list = append(list, map[string]any{
			"maxSkew":           1 + b.IntN(3),
			"topologyKey":       key,
			"whenUnsatisfiable": pick(b, "DoNotSchedule", "ScheduleAnyway", "ScheduleAnyway"),
		})
	}
	return list
}

func spreadPod(b *builder, pod *v1.Pod) {
	if b.chance(70) {
		own(pod)
	}
	if pod.Spec.NodeName != "" || b.chance(40) {
		return
	}
	used := map[string]bool{}
	for range 1 + b.IntN(3) {
		constraint := drawConstraint(b)
		// One key may stand once for each way of being unsatisfied.
		id := constraint.TopologyKey + string(constraint.WhenUnsatisfiable)
		if !used[id] {
			used[id] = true
			pod.Spec.TopologySpreadConstraints = append(pod.Spec.TopologySpreadConstraints, constraint)
		}
	}
}

func drawConstraint(b *builder) v1.TopologySpreadConstraint {
	constraint := v1.TopologySpreadConstraint{
		MaxSkew:           int32(1 + b.IntN(3)),
		TopologyKey:       pick(b, zoneKey, zoneKey, hostKey, regionKey, "disk"),
		WhenUnsatisfiable: pick(b, v1.DoNotSchedule, v1.ScheduleAnyway),
		LabelSelector:     drawSelector(b),
	}
	if constraint.WhenUnsatisfiable == v1.DoNotSchedule && b.chance(25) {
		domains := int32(1 + b.IntN(5))
		constraint.MinDomains = &domains
	}
	if b.chance(30) {
		policy := pick(b, v1.NodeInclusionPolicyHonor, v1.NodeInclusionPolicyIgnore)
		constraint.NodeAffinityPolicy = &policy
	}
	if b.chance(30) {
		policy := pick(b, v1.NodeInclusionPolicyHonor, v1.NodeInclusionPolicyIgnore)
		constraint.NodeTaintsPolicy = &policy
	}
	if constraint.LabelSelector != nil && b.chance(25) {
		constraint.MatchLabelKeys = []string{pick(b, "version", "tier")}
	}
	return constraint
}

// own makes the controller that the pod's application names its owner.
func own(pod *v1.Pod) {
	owners := map[string][2]string{"api": {"apps/v1", "ReplicaSet"}, "db": {"apps/v1", "StatefulSet"}, "batch": {"v1", "ReplicationController"}}
	app := pod.Labels["app"]
	owner, ok := owners[app]
	if !ok {
		return
	}
	controller := true
	pod.OwnerReferences = []metav1.OwnerReference{{APIVersion: owner[0], Kind: owner[1], Name: app, UID: uid(&metav1.ObjectMeta{Namespace: pod.Namespace, Name: app}), Controller: &controller}}
}
