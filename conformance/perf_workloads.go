package main

import (
	"fmt"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// workload is one of the patterns of upstream's own benchmark: nodes with 4 CPUs and 32 GiB, pods with 100m and 500Mi.
type workload struct {
	name string
	// zones is over how many zones the nodes are spread.
	zones      int
	initial    func(nodes int) int
	initialPod func(i int) *v1.Pod
	pod        func(i int) *v1.Pod
}

var workloads = []workload{
	{"basic", 1, fifth, plain, plain},
	{"node-affinity", 2, fifth, plain, withNodeAffinity},
	{"pod-affinity-required", 3, fifth, affine(true, false), affine(true, false)},
	{"pod-affinity-preferred", 3, fifth, affine(false, false), affine(false, false)},
	{"pod-anti-affinity-required", 3, fifth, affine(true, true), affine(true, true)},
	{"pod-anti-affinity-preferred", 3, fifth, affine(false, true), affine(false, true)},
	{"spread-required", 3, fifth, spread(v1.DoNotSchedule), spread(v1.DoNotSchedule)},
	{"spread-preferred", 3, fifth, spread(v1.ScheduleAnyway), spread(v1.ScheduleAnyway)},
	{"preemption", 1, fourEach, sized("900m", 0), sized("3000m", 10)},
}

func fifth(nodes int) int    { return nodes / 5 }
func fourEach(nodes int) int { return 4 * nodes }

func perfNamespace(name string) runtime.Object {
	return &v1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"kubernetes.io/metadata.name": name}}}
}

func perfNode(i int, load workload) runtime.Object {
	name := fmt.Sprintf("node-%d", i)
	labels := map[string]string{hostKey: name, zoneKey: fmt.Sprintf("zone%d", 1+i%load.zones)}
	return &v1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels},
		Status:     v1.NodeStatus{Allocatable: resources("cpu", "4", "memory", "32Gi", "pods", "110")},
	}
}

func plain(int) *v1.Pod { return sized("100m", 0)(0) }

func sized(cpu string, priority int32) func(int) *v1.Pod {
	return func(i int) *v1.Pod {
		started := metav1.NewTime(epoch)
		pod := &v1.Pod{Status: v1.PodStatus{StartTime: &started}}
		pod.Spec.Priority = &priority
		pod.Spec.Containers = []v1.Container{{Name: "pause", Image: "pause", Resources: v1.ResourceRequirements{Requests: resources("cpu", cpu, "memory", "500Mi")}}}
		return pod
	}
}

func withNodeAffinity(i int) *v1.Pod {
	pod := plain(i)
	pod.Spec.Affinity = &v1.Affinity{NodeAffinity: &v1.NodeAffinity{RequiredDuringSchedulingIgnoredDuringExecution: onlyWhere(zoneKey, "zone1").Required}}
	return pod
}

// affine makes pods that attract each other by zone, or repel each other by node, in both namespaces.
func affine(required, anti bool) func(int) *v1.Pod {
	return func(i int) *v1.Pod {
		pod := plain(i)
		pod.Labels = map[string]string{"color": "blue"}
		term := v1.PodAffinityTerm{TopologyKey: zoneKey, LabelSelector: &metav1.LabelSelector{MatchLabels: pod.Labels}, Namespaces: []string{"sched-0", "sched-1"}}
		if anti || !required {
			term.TopologyKey = hostKey
		}
		hard, soft := []v1.PodAffinityTerm{term}, []v1.WeightedPodAffinityTerm{{Weight: 1, PodAffinityTerm: term}}
		if required {
			soft = nil
		} else {
			hard = nil
		}
		pod.Spec.Affinity = &v1.Affinity{}
		if anti {
			pod.Spec.Affinity.PodAntiAffinity = &v1.PodAntiAffinity{RequiredDuringSchedulingIgnoredDuringExecution: hard, PreferredDuringSchedulingIgnoredDuringExecution: soft}
		} else {
			pod.Spec.Affinity.PodAffinity = &v1.PodAffinity{RequiredDuringSchedulingIgnoredDuringExecution: hard, PreferredDuringSchedulingIgnoredDuringExecution: soft}
		}
		return pod
	}
}

func spread(unsatisfied v1.UnsatisfiableConstraintAction) func(int) *v1.Pod {
	return func(i int) *v1.Pod {
		pod := plain(i)
		pod.Labels = map[string]string{"color": "blue"}
		pod.Spec.TopologySpreadConstraints = []v1.TopologySpreadConstraint{{
			MaxSkew: 5, TopologyKey: zoneKey, WhenUnsatisfiable: unsatisfied, LabelSelector: &metav1.LabelSelector{MatchLabels: pod.Labels},
		}}
		return pod
	}
}
