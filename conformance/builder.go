package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	v1 "k8s.io/api/core/v1"
	resource "k8s.io/api/resource/v1"
	apiresource "k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// feature draws one part of a cluster. Each of its functions may be nil.
type feature struct {
	// cluster runs first and adds what nodes and pods refer to, or arguments of plug-ins.
	cluster func(b *builder)
	node    func(b *builder, node *v1.Node)
	// pod runs for bound and for pending pods.
	pod func(b *builder, pod *v1.Pod)
	// finish runs when all nodes and pods are there.
	finish func(b *builder)
}

// features are drawn in the order of their names, so that adding one to a list does not depend on the list's order.
var features = map[string]feature{
	"basic":       {node: basicNode, pod: basicPod},
	"taints":      {node: taintsNode, pod: taintsPod},
	"affinity":    {cluster: affinityCluster, node: affinityNode, pod: affinityPod},
	"ports":       {pod: portsPod},
	"images":      {node: imagesNode, pod: imagesPod},
	"spread":      {cluster: spreadCluster, pod: spreadPod},
	"podaffinity": {cluster: podAffinityCluster, pod: podAffinityPod},
	"resources":   {cluster: resourcesCluster, pod: resourcesPod},
	"preemption":  {cluster: preemptionCluster, pod: preemptionPod, finish: preemptionFinish},
	"volumes":     {cluster: volumesCluster, node: volumesNode, pod: volumesPod},
	"dra":         {cluster: draCluster, node: draNode, pod: draPod},
	"profiles":    {cluster: profilesCluster, pod: profilesPod},
}

// mixedFeatures is how many features one cluster mixes at most: with all of them at once hardly a pod finds a node.
const mixedFeatures = 4

// builder collects one random cluster.
type builder struct {
	*rand.Rand
	list    []string
	nodes   []*v1.Node
	bound   []*v1.Pod
	pending []*v1.Pod
	others  []runtime.Object

	plugins   map[string]any
	arguments map[string]map[string]any
	profiles  []any

	// tight clusters have many bound pods for their size, so that pods are refused for want of resources.
	tight bool
	// small clusters have a handful of nodes.
	small bool
	// shared are the claims of a namespace that a further pod may use as well.
	shared map[string][]string
	// devices are the nodes' own device slices, occupied how many devices of a node have been given to bound pods, and
	// sharedClaims the claims of devices that a further pod may use as well.
	devices      []*resource.ResourceSlice
	occupied     map[string]int
	sharedClaims map[string][]string
	// startedOn counts the bound pods of each node.
	startedOn map[string]int
	zones     []string
}

var namespaces = []string{"default", "team-a", "team-b"}
var applications = []string{"web", "api", "db", "batch"}

func newBuilder(seed int64, list []string) *builder {
	b := &builder{Rand: rand.New(rand.NewPCG(uint64(seed), 1)), arguments: map[string]map[string]any{}, startedOn: map[string]int{}}
	if len(list) > mixedFeatures {
		list = slices.Clone(list)
		b.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
		list = list[:mixedFeatures]
	}
	for _, name := range featureNames() {
		if name == "basic" || slices.Contains(list, name) {
			b.list = append(b.list, name)
		}
	}
	return b
}

func (b *builder) build() {
	b.tight = b.small || b.chance(25)
	b.zones = []string{"a", "b", "c", "d"}[:1+b.IntN(4)]
	for i, name := range namespaces {
		labels := map[string]string{"kubernetes.io/metadata.name": name}
		if i > 0 {
			labels["team"] = name[len(name)-1:]
			labels["stage"] = pick(b, "test", "live")
		}
		b.others = append(b.others, &v1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels}})
	}
	b.each(func(f feature) { call(f.cluster, b) })
	nodes := 3 + b.IntN(18)
	if b.small {
		nodes = 2 + b.IntN(4)
	}
	for i := range nodes {
		b.addNode(i)
	}
	boundPods := b.IntN(40)
	if b.small {
		boundPods = 4 * nodes
	} else if b.tight {
		boundPods = 20 + b.IntN(41)
	}
	for i := range boundPods {
		b.addPod(fmt.Sprintf("b%d", i), b.nodes[b.IntN(len(b.nodes))].Name)
	}
	for i := range 3 + b.IntN(13) {
		b.addPod(fmt.Sprintf("p%d", i), "")
	}
	b.each(func(f feature) { call(f.finish, b) })
}

func call(function func(*builder), b *builder) {
	if function != nil {
		function(b)
	}
}

func (b *builder) each(visit func(feature)) {
	for _, name := range b.list {
		visit(features[name])
	}
}

func (b *builder) addNode(number int) {
	name := fmt.Sprintf("n%d", number)
	node := &v1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{}}}
	b.each(func(f feature) {
		if f.node != nil {
			f.node(b, node)
		}
	})
	b.nodes = append(b.nodes, node)
}

func (b *builder) addPod(name, node string) {
	pod := &v1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: pick(b, namespaces...), Name: name}}
	pod.Spec.NodeName = node
	b.each(func(f feature) {
		if f.pod != nil {
			f.pod(b, pod)
		}
	})
	if node == "" {
		b.pending = append(b.pending, pod)
		return
	}
	// Start times are distinct on a node: pods of one priority and one start time have no order of importance upstream.
	b.startedOn[node]++
	started := metav1.NewTime(epoch.Add(time.Duration(b.IntN(2)*100+b.startedOn[node]) * time.Second))
	pod.Status.StartTime = &started
	b.bound = append(b.bound, pod)
}

// all is every object, in the order in which the scheduler hears of them.
func (b *builder) all() []runtime.Object {
	objects := slices.Clone(b.others)
	for _, node := range b.nodes {
		objects = append(objects, node)
	}
	for _, pod := range slices.Concat(b.bound, b.pending) {
		objects = append(objects, pod)
	}
	return objects
}

func (b *builder) pendingKeys() []string {
	var keys []string
	for _, pod := range b.pending {
		keys = append(keys, key(pod))
	}
	return keys
}

// chance is true in the given percentage of draws.
func (b *builder) chance(percent int) bool { return b.IntN(100) < percent }

func (b *builder) has(feature string) bool { return slices.Contains(b.list, feature) }

func pick[T any](b *builder, from ...T) T { return from[b.IntN(len(from))] }

// some is a random subset in random order, perhaps empty.
func some[T any](b *builder, most int, from ...T) []T {
	shuffled := slices.Clone(from)
	b.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
	return shuffled[:b.IntN(min(most, len(from))+1)]
}

func quantity(text string) apiresource.Quantity { return apiresource.MustParse(text) }

func resources(pairs ...string) v1.ResourceList {
	list := v1.ResourceList{}
	for i := 0; i < len(pairs); i += 2 {
		list[v1.ResourceName(pairs[i])] = quantity(pairs[i+1])
	}
	return list
}
