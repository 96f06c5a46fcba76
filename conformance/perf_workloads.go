package main

import (
	"fmt"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// size is how large a workload is: nodes at the start, pods placed before measuring begins, and measured pods.
type size struct{ nodes, initial, measured int }

// workload is one of the patterns of upstream's own benchmark, as src/bench/workloads.rs of wavetank has it too: same
// name, sizes, nodes and pods.
type workload struct {
	name     string
	defaults size
	// withPods says that the initial pods stay in proportion to the measured ones, not to the nodes.
	withPods bool
	nodes    func(s size) []*v1.Node
	// extra is what else is there from the start.
	extra             func(s size) []runtime.Object
	initial, measured func(i int) *v1.Pod
	// meanwhile happens first when measuring begins, and again whenever this many more measured pods are bound.
	every     int
	meanwhile func(c *cluster, round int)
}

const (
	initialNamespace  = "sched-0"
	measuredNamespace = "sched-1"
	serviceNamespace  = "service-ns"
	namedNode         = "scheduler-perf-node"
)

var moons = []string{"moon-1", "moon-2", "moon-3"}

var workloads = []workload{
	{name: "basic", defaults: size{5000, 1000, 10_000}, nodes: inZones(), initial: plain, measured: plain},
	{
		name: "node-affinity", defaults: size{5000, 5000, 10_000},
		nodes: inZones("zone1"), initial: withNodeAffinity, measured: withNodeAffinity,
	},
	affinityWorkload("pod-affinity-required", size{5000, 5000, 5000}, inZones("zone1"), "blue", true, false),
	affinityWorkload("pod-affinity-preferred", size{5000, 5000, 5000}, inZones(), "red", false, false),
	affinityWorkload("pod-anti-affinity-required", size{5000, 1000, 2000}, inZones(), "green", true, true),
	affinityWorkload("pod-anti-affinity-preferred", size{5000, 5000, 5000}, inZones(), "yellow", false, true),
	{
		name: "topology-spread-required", defaults: size{5000, 5000, 5000},
		nodes: inZones(moons...), initial: plain, measured: spread(v1.DoNotSchedule),
	},
	{
		name: "topology-spread-preferred", defaults: size{5000, 5000, 5000},
		nodes: inZones(moons...), initial: plain, measured: spread(v1.ScheduleAnyway),
	},
	{
		name: "topology-spread-default", defaults: size{5000, 5000, 50_000},
		nodes: inZones(moons...), extra: service, initial: plain, measured: ofService,
	},
	{
		name: "preemption", defaults: size{5000, 20_000, 5000},
		nodes: inZones(), initial: sized("900m", "500Mi", 0), measured: sized("3970m", "500Mi", 9_999_999),
	},
	{
		name: "unschedulable", defaults: size{5000, 20_000, 10_000}, nodes: inZones(), initial: plain, measured: plain,
		every: 100, meanwhile: addLargePod,
	},
	{
		name: "mixed-churn", defaults: size{5000, 0, 10_000}, nodes: inZones(), initial: plain, measured: plain,
		every: 500, meanwhile: churn,
	},
	{
		name: "extended-resources", defaults: size{5000, 0, 5000},
		nodes: withDevices, initial: plain, measured: withDevice,
	},
	{name: "daemonset", defaults: size{15_000, 0, 30_000}, nodes: oneNamed, initial: plain, measured: forNamedNode},
	{
		name: "gated", defaults: size{1, 20_000, 20_000}, withPods: true,
		nodes: allRoomy, extra: gatedPods, initial: light, measured: light,
		every: 10, meanwhile: endInitialPod,
	},
}

func affinityWorkload(name string, defaults size, nodes func(size) []*v1.Node, color string, required, anti bool) workload {
	return workload{
		name: name, defaults: defaults, nodes: nodes,
		initial:  affine(initialNamespace, color, required, anti),
		measured: affine(measuredNamespace, color, required, anti),
	}
}

// size has this many nodes and measured pods; 0 stands for what the workload has by default, in proportion to the nodes.
func (load workload) size(nodes, measured int) size {
	s := size{nodes, 0, measured}
	if nodes == 0 {
		s.nodes = load.defaults.nodes
	}
	if load.withPods {
		if measured == 0 {
			s.measured = load.defaults.measured
		}
		s.initial = load.defaults.initial * s.measured / load.defaults.measured
		return s
	}
	if measured == 0 {
		s.measured = max(load.defaults.measured*s.nodes/load.defaults.nodes, 1)
	}
	s.initial = load.defaults.initial * s.nodes / load.defaults.nodes
	return s
}

func (load workload) objects(s size) []runtime.Object {
	if load.extra == nil {
		return nil
	}
	return load.extra(s)
}

// rounds is how often something happens meanwhile.
func (load workload) rounds(s size) int {
	if load.every == 0 {
		return 0
	}
	return (s.measured - 1) / load.every
}

func perfNamespace(name string) runtime.Object {
	return &v1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"kubernetes.io/metadata.name": name}}}
}

func perfNode(name, pods string) *v1.Node {
	return &v1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{hostKey: name}},
		Status:     v1.NodeStatus{Allocatable: resources("cpu", "4", "memory", "32Gi", "pods", pods)},
	}
}

func perfNodes(count int) []*v1.Node {
	nodes := make([]*v1.Node, count)
	for i := range nodes {
		nodes[i] = perfNode(fmt.Sprintf("node-%d", i), "110")
	}
	return nodes
}

// inZones makes nodes in these zones in turn; without zones they have none.
func inZones(zones ...string) func(size) []*v1.Node {
	return func(s size) []*v1.Node {
		nodes := perfNodes(s.nodes)
		for i := range nodes {
			if len(zones) > 0 {
				nodes[i].Labels[zoneKey] = zones[i%len(zones)]
			}
		}
		return nodes
	}
}

func plain(int) *v1.Pod { return sized("100m", "500Mi", 0)(0) }

// light requests nothing but its slot.
func light(int) *v1.Pod {
	pod := &v1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: metav1.NamespaceDefault}}
	pod.Spec.Priority = new(int32)
	pod.Spec.Containers = []v1.Container{{Name: "pause", Image: "pause"}}
	return pod
}

func sized(cpu, memory string, priority int32) func(int) *v1.Pod {
	return func(i int) *v1.Pod {
		pod := light(i)
		pod.Spec.Priority = &priority
		pod.Spec.Containers[0].Resources.Requests = resources("cpu", cpu, "memory", memory)
		return pod
	}
}

func requiring(pod *v1.Pod, term v1.NodeSelectorTerm) *v1.Pod {
	required := &v1.NodeSelector{NodeSelectorTerms: []v1.NodeSelectorTerm{term}}
	pod.Spec.Affinity = &v1.Affinity{NodeAffinity: &v1.NodeAffinity{RequiredDuringSchedulingIgnoredDuringExecution: required}}
	return pod
}

func withNodeAffinity(i int) *v1.Pod {
	zones := v1.NodeSelectorRequirement{Key: zoneKey, Operator: v1.NodeSelectorOpIn, Values: []string{"zone1", "zone2"}}
	return requiring(plain(i), v1.NodeSelectorTerm{MatchExpressions: []v1.NodeSelectorRequirement{zones}})
}

// affine makes pods that attract or repel each other, in both namespaces: by zone when they must be together, else by node.
func affine(namespace, color string, required, anti bool) func(int) *v1.Pod {
	return func(i int) *v1.Pod {
		pod := plain(i)
		pod.Namespace, pod.Labels = namespace, map[string]string{"color": color}
		term := v1.PodAffinityTerm{
			TopologyKey: hostKey, LabelSelector: &metav1.LabelSelector{MatchLabels: pod.Labels}, Namespaces: []string{measuredNamespace, initialNamespace},
		}
		if required && !anti {
			term.TopologyKey = zoneKey
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

// service selects the measured pods, which the cluster's default constraints therefore spread.
func service(size) []runtime.Object {
	return []runtime.Object{&v1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: serviceNamespace, Name: "service-0"},
		Spec:       v1.ServiceSpec{Selector: map[string]string{"app": "scheduler-perf"}},
	}}
}

func ofService(i int) *v1.Pod {
	pod := light(i)
	pod.Namespace, pod.Labels = serviceNamespace, map[string]string{"app": "scheduler-perf"}
	return pod
}

// addLargePod adds a pod of high priority that needs more cores than a node has.
func addLargePod(c *cluster, round int) {
	pod := sized("9000m", "500Mi", 10)(round)
	pod.Name = fmt.Sprintf("churn-%d", round)
	c.apply(pod)
}

// churn replaces the churning node, which offers nothing, and adds a pod that fits nowhere.
func churn(c *cluster, round int) {
	node := func(round int) *v1.Node {
		node := perfNode(fmt.Sprintf("churn-%d", round), "0")
		node.Status.Allocatable = resources("pods", "0")
		return node
	}
	if round > 0 {
		c.removeNode(node(round - 1))
	}
	c.apply(node(round))
	addLargePod(c, round)
}

// kinds is how many kinds of devices there are, so that fewer nodes cannot hold all pods. Upstream has one a node;
// wavetank has at most 64.
const kinds = 64

func device(i int) string { return fmt.Sprintf("foo.com/bar-%d", i%kinds) }

// withDevices makes nodes that have one device each, of all the kinds in turn.
func withDevices(s size) []*v1.Node {
	nodes := perfNodes(s.nodes)
	for i := range nodes {
		nodes[i].Labels["node-with-extended-resource"] = "true"
		nodes[i].Status.Allocatable[v1.ResourceName(device(i))] = quantity("1")
	}
	return nodes
}

// withDevice makes pods that request one device each and nothing else, of all the kinds in turn.
func withDevice(i int) *v1.Pod {
	pod := light(i)
	pod.Spec.Containers[0].Resources.Requests = resources(device(i), "1")
	pod.Spec.Containers[0].Resources.Limits = pod.Spec.Containers[0].Resources.Requests
	return pod
}

// roomy is a node with a slot for every pod that comes.
func roomy(name string, s size) *v1.Node {
	return perfNode(name, fmt.Sprint(max(2*s.initial+s.measured, 90_000)))
}

// oneNamed makes nodes of which the first has the name that all pods require, and slots for them all.
func oneNamed(s size) []*v1.Node {
	nodes := perfNodes(s.nodes)
	nodes[0] = roomy(namedNode, s)
	return nodes
}

func forNamedNode(i int) *v1.Pod {
	name := v1.NodeSelectorRequirement{Key: metav1.ObjectNameField, Operator: v1.NodeSelectorOpIn, Values: []string{namedNode}}
	return requiring(light(i), v1.NodeSelectorTerm{MatchFields: []v1.NodeSelectorRequirement{name}})
}

func allRoomy(s size) []*v1.Node {
	nodes := perfNodes(s.nodes)
	for i := range nodes {
		nodes[i] = roomy(nodes[i].Name, s)
	}
	return nodes
}

// gatedPods are half as many as the initial pods; their gate stays to the end.
func gatedPods(s size) []runtime.Object {
	pods := make([]runtime.Object, s.initial/2)
	for i := range pods {
		pod := light(i)
		pod.Name = fmt.Sprintf("gated-%d", i)
		pod.Spec.SchedulingGates = []v1.PodSchedulingGate{{Name: "test.k8s.io/hold"}}
		pods[i] = pod
	}
	return pods
}

// endInitialPod ends one of the initial pods, which wakes none of the gated ones.
func endInitialPod(c *cluster, round int) {
	c.removePod(fmt.Sprintf("%s/initial-%d", metav1.NamespaceDefault, round))
}
