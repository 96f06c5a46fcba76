package main

import (
	"fmt"
	"slices"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// operate draws and carries out one operation. What cannot be done now is left out.
func (r *queueRun) operate() {
	switch draw := r.IntN(100); {
	case draw < 15:
		r.arrive()
	case draw < 42:
		r.pop()
	case draw < 65:
		r.finish()
	case draw < 77:
		millis := pick(r.builder, int64(250), 700, 1000, 2500, 5000, 12000, 40000, 310000)
		r.advance(millis)
		r.record(queueOperation{AdvanceMillis: millis})
	case draw < 82:
		r.deleteBound()
	case draw < 84:
		r.deletePending()
	case draw < 93:
		r.changeNode()
	case draw < 95:
		r.growOrShrink()
	default:
		r.changePod()
	}
}

// arrive lets the next pod appear, now and then behind a scheduling gate.
func (r *queueRun) arrive() {
	if len(r.arriving) == 0 {
		return
	}
	pod := r.arriving[0]
	r.arriving = r.arriving[1:]
	if r.chance(15) {
		pod.Spec.SchedulingGates = []v1.PodSchedulingGate{{Name: "example.com/wait"}}
	}
	if r.chance(25) {
		priority := int32(100)
		pod.Spec.Priority = &priority
	}
	r.pending = append(r.pending, pod)
	r.apply(pod)
}

func (r *queueRun) deleteBound() {
	if len(r.bound) == 0 {
		return
	}
	at := r.IntN(len(r.bound))
	name := key(r.bound[at])
	r.bound = slices.Delete(r.bound, at, at+1)
	r.advance(1)
	r.world.removePod(name)
	r.record(queueOperation{Delete: &deletedObject{Kind: "Pod", Name: name}})
}

// deletePending removes a pod that waits or is in flight.
func (r *queueRun) deletePending() {
	at := r.waiting()
	if at < 0 {
		return
	}
	name := key(r.pending[at])
	r.pending = slices.Delete(r.pending, at, at+1)
	r.advance(1)
	r.world.removePod(name)
	r.record(queueOperation{Delete: &deletedObject{Kind: "Pod", Name: name}})
}

// waiting is the place of a random pod that is not bound, or -1.
func (r *queueRun) waiting() int {
	var places []int
	for i, pod := range r.pending {
		if r.world.hasPod(key(pod)) && r.world.pod(key(pod)).Spec.NodeName == "" {
			places = append(places, i)
		}
	}
	if len(places) == 0 {
		return -1
	}
	return pick(r.builder, places...)
}

// changeNode alters one of the things of a node to which plug-ins listen, or something to which none does.
func (r *queueRun) changeNode() {
	at := r.IntN(len(r.nodes))
	node := r.nodes[at].DeepCopy()
	switch r.IntN(6) {
	case 0:
		node.Spec.Unschedulable = !node.Spec.Unschedulable
	case 1:
		node.Spec.Taints = nil
		taintsNode(r.builder, node)
	case 2:
		node.Status.Allocatable["cpu"] = quantity(pick(r.builder, "500m", "2", "6", "12"))
	case 3:
		node.Labels[zoneKey] = pick(r.builder, "a", "b", "c")
	case 4:
		affinityNode(r.builder, node)
	case 5:
		metav1.SetMetaDataAnnotation(&node.ObjectMeta, "note", pick(r.builder, "x", "y"))
	}
	r.nodes[at] = node
	r.apply(node)
}

// growOrShrink adds a node, or removes one on which no pod stands.
func (r *queueRun) growOrShrink() {
	if r.chance(70) {
		r.addNode(len(r.nodes) + 100)
		r.apply(r.nodes[len(r.nodes)-1])
		return
	}
	for at, node := range r.nodes {
		if slices.ContainsFunc(r.bound, func(pod *v1.Pod) bool { return pod.Spec.NodeName == node.Name }) || r.chosen(node.Name) || len(r.nodes) == 1 {
			continue
		}
		r.nodes = slices.Delete(r.nodes, at, at+1)
		r.advance(1)
		r.world.removeNode(node)
		r.record(queueOperation{Delete: &deletedObject{Kind: "Node", Name: node.Name}})
		return
	}
}

// chosen tells whether a pod in flight is going to a node.
func (r *queueRun) chosen(node string) bool {
	return slices.ContainsFunc(r.inFlight, func(outcome attempt) bool { return outcome.node == node })
}

// changePod opens a gate or alters labels and tolerations of a pod that waits, or the labels or requests of one that is bound.
func (r *queueRun) changePod() {
	if at := r.waiting(); at >= 0 && r.chance(70) {
		pod := r.pending[at].DeepCopy()
		switch {
		case len(pod.Spec.SchedulingGates) > 0:
			pod.Spec.SchedulingGates = nil
		case r.chance(50):
			pod.Labels["app"] = pick(r.builder, applications...)
		default:
			pod.Spec.Tolerations = append(pod.Spec.Tolerations, v1.Toleration{Key: pick(r.builder, "dedicated", "spot"), Operator: v1.TolerationOpExists})
		}
		r.pending[at] = pod
		r.apply(pod)
		return
	}
	if len(r.bound) == 0 {
		return
	}
	at := r.IntN(len(r.bound))
	pod := r.bound[at].DeepCopy()
	if r.chance(50) {
		pod.Labels["app"] = pick(r.builder, applications...)
	} else if pod.Spec.Resources == nil {
		pod.Spec.Containers[0].Resources.Requests = resources("cpu", "10m")
		pod.Spec.Containers[0].Resources.Limits = nil
	}
	metav1.SetMetaDataAnnotation(&pod.ObjectMeta, "change", fmt.Sprint(len(r.result.Operations)))
	r.bound[at] = pod
	r.apply(pod)
}
