package main

import (
	v1 "k8s.io/api/core/v1"
)

const (
	zoneKey   = v1.LabelTopologyZone
	regionKey = v1.LabelTopologyRegion
	hostKey   = v1.LabelHostname
)

// basicNode draws capacity, topology labels, and now and then a cordoned node.
func basicNode(b *builder, node *v1.Node) {
	node.Labels[hostKey] = node.Name
	if b.chance(90) {
		node.Labels[zoneKey] = pick(b, b.zones...)
		if b.chance(70) {
			node.Labels[regionKey] = "r"
		}
	}
	cpu, memory := pick(b, "2", "4", "8", "3920m"), pick(b, "4Gi", "8Gi", "16Gi", "7500Mi")
	if b.tight {
		cpu, memory = pick(b, "1", "2", "3", "1930m"), pick(b, "2Gi", "3Gi", "3500Mi")
	}
	node.Status.Allocatable = resources("cpu", cpu, "memory", memory, "pods", pick(b, "110", "110", "7"))
	if b.chance(60) {
		node.Status.Allocatable[v1.ResourceEphemeralStorage] = quantity(pick(b, "20Gi", "100Gi"))
	}
	if b.chance(30) {
		node.Status.Allocatable["example.com/gpu"] = quantity(pick(b, "1", "2", "4"))
	}
	if b.chance(15) {
		node.Status.Allocatable["hugepages-2Mi"] = quantity("512Mi")
	}
	node.Spec.Unschedulable = b.chance(6)
}

// basicPod draws labels, requests of every kind, and now and then a fixed node.
func basicPod(b *builder, pod *v1.Pod) {
	pod.Labels = map[string]string{"app": pick(b, applications...)}
	if b.chance(50) {
		pod.Labels["tier"] = pick(b, "front", "back")
	}
	if b.chance(40) {
		pod.Labels["version"] = pick(b, "v1", "v2")
	}
	pod.Spec.Containers = []v1.Container{{Name: "a", Resources: drawRequests(b)}}
	if b.chance(20) {
		pod.Spec.Containers = append(pod.Spec.Containers, v1.Container{Name: "b", Resources: drawRequests(b)})
	}
	drawInitContainers(b, pod)
	if b.chance(8) {
		pod.Spec.Overhead = resources("cpu", "100m", "memory", "64Mi")
	}
	if b.chance(10) {
		drawPodLevelResources(b, pod)
	}
	if pod.Spec.NodeName == "" && b.chance(5) && len(b.nodes) > 0 {
		drawNodeName(b, pod)
	}
}

// drawNodeName asks for a node by name through the metadata.name field, as the DaemonSet controller does.
func drawNodeName(b *builder, pod *v1.Pod) {
	name := b.nodes[b.IntN(len(b.nodes))].Name
	pod.Spec.Affinity = &v1.Affinity{NodeAffinity: &v1.NodeAffinity{
		RequiredDuringSchedulingIgnoredDuringExecution: &v1.NodeSelector{NodeSelectorTerms: []v1.NodeSelectorTerm{{
			MatchFields: []v1.NodeSelectorRequirement{{Key: "metadata.name", Operator: v1.NodeSelectorOpIn, Values: []string{name}}},
		}}},
	}}
}

// drawInitContainers adds plain init containers and sidecars in any order, as their order decides the pod's request.
func drawInitContainers(b *builder, pod *v1.Pod) {
	if !b.chance(20) {
		return
	}
	always := v1.ContainerRestartPolicyAlways
	for i := range 1 + b.IntN(3) {
		container := v1.Container{Name: string(rune('i' + i)), Resources: drawRequests(b)}
		if b.chance(50) {
			container.RestartPolicy = &always
		}
		pod.Spec.InitContainers = append(pod.Spec.InitContainers, container)
	}
}

// drawRequests may leave everything out, in which case scoring assumes 100m and 200Mi.
func drawRequests(b *builder) v1.ResourceRequirements {
	requests := v1.ResourceList{}
	if b.chance(80) {
		requests["cpu"] = quantity(pick(b, "50m", "100m", "250m", "500m", "1", "333m", "0"))
	}
	if b.chance(75) {
		requests["memory"] = quantity(pick(b, "64Mi", "128Mi", "500M", "1Gi", "300Mi", "0"))
	}
	if b.chance(10) {
		requests["ephemeral-storage"] = quantity(pick(b, "1Gi", "5Gi", "30Gi"))
	}
	result := v1.ResourceRequirements{Requests: requests}
	if b.chance(6) {
		name := pick(b, v1.ResourceName("example.com/gpu"), "example.com/gpu", "example.com/missing", "hugepages-2Mi")
		amount := quantity(pick(b, "1", "2"))
		if name == "hugepages-2Mi" {
			amount = quantity("128Mi")
		}
		requests[name] = amount
		result.Limits = v1.ResourceList{name: amount}
	}
	// A limit without a request becomes the request, by the API server's defaults.
	if _, requested := requests["cpu"]; !requested && b.chance(30) {
		if result.Limits == nil {
			result.Limits = v1.ResourceList{}
		}
		result.Limits["cpu"] = quantity("400m")
	}
	if len(requests) == 0 {
		result.Requests = nil
	}
	return result
}

// drawPodLevelResources gives a budget for the pod as a whole, which replaces the sum over its containers.
func drawPodLevelResources(b *builder, pod *v1.Pod) {
	for i := range pod.Spec.Containers {
		pod.Spec.Containers[i].Resources = v1.ResourceRequirements{Requests: resources("cpu", "100m")}
	}
	pod.Spec.InitContainers = nil
	pod.Spec.Resources = &v1.ResourceRequirements{Requests: resources("cpu", pick(b, "300m", "1"))}
	if b.chance(50) {
		pod.Spec.Resources.Requests["memory"] = quantity("512Mi")
	}
}
