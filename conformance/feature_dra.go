package main

import (
	"fmt"
	"slices"

	v1 "k8s.io/api/core/v1"
	resource "k8s.io/api/resource/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	gpuDriver     = "gpu.example.com"
	networkDriver = "net.example.com"
)

// draCluster adds the device classes, and network devices that whole zones or all nodes reach.
func draCluster(b *builder) {
	class := func(name string, expressions ...string) {
		object := &resource.DeviceClass{ObjectMeta: metav1.ObjectMeta{Name: name}}
		object.Spec.Selectors = selectors(expressions...)
		b.others = append(b.others, object)
	}
	class("gpu", `device.driver == "gpu.example.com"`)
	class("big-gpu", `device.driver == "gpu.example.com"`, `device.capacity["gpu.example.com"].memory.compareTo(quantity("20Gi")) >= 0`)
	class("net", `device.driver == "net.example.com"`)
	everywhere := true
	slice := newSlice("net-pool", networkDriver, "shared")
	if b.chance(50) {
		slice.Spec.AllNodes = &everywhere
	} else {
		slice.Spec.NodeSelector = onlyWhere(zoneKey, "a", "b").Required
	}
	for i := range b.IntN(5) {
		slice.Spec.Devices = append(slice.Spec.Devices, resource.Device{Name: fmt.Sprintf("nic%d", i)})
	}
	b.others = append(b.others, slice)
}

func selectors(expressions ...string) []resource.DeviceSelector {
	var list []resource.DeviceSelector
	for _, expression := range expressions {
		list = append(list, resource.DeviceSelector{CEL: &resource.CELDeviceSelector{Expression: expression}})
	}
	return list
}

func newSlice(name, driver, pool string) *resource.ResourceSlice {
	return &resource.ResourceSlice{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec:       resource.ResourceSliceSpec{Driver: driver, Pool: resource.ResourcePool{Name: pool, Generation: 1, ResourceSliceCount: 1}},
	}
}

// draNode gives most nodes a few devices of their own.
func draNode(b *builder, node *v1.Node) {
	if b.chance(20) {
		return
	}
	slice := newSlice("gpus-"+node.Name, gpuDriver, node.Name)
	slice.Spec.NodeName = &node.Name
	for i := range 1 + b.IntN(4) {
		slice.Spec.Devices = append(slice.Spec.Devices, drawDevice(b, i))
	}
	b.others = append(b.others, slice)
	b.devices = append(b.devices, slice)
}

func drawDevice(b *builder, number int) resource.Device {
	model, ecc, socket, version := pick(b, "a", "b"), b.chance(50), int64(b.IntN(2)), pick(b, "1.0.0", "2.1.0")
	device := resource.Device{
		Name: fmt.Sprintf("gpu%d", number),
		Attributes: map[resource.QualifiedName]resource.DeviceAttribute{
			"model": {StringValue: &model}, "ecc": {BoolValue: &ecc}, "socket": {IntValue: &socket}, "firmware": {VersionValue: &version},
		},
		Capacity: map[resource.QualifiedName]resource.DeviceCapacity{"memory": {Value: quantity(pick(b, "10Gi", "40Gi"))}},
	}
	if b.chance(10) {
		device.Taints = []resource.DeviceTaint{{Key: "gpu.example.com/unhealthy", Effect: resource.DeviceTaintEffectNoSchedule}}
	}
	return device
}

func draPod(b *builder, pod *v1.Pod) {
	if pod.Spec.NodeName != "" {
		b.occupyDevice(pod)
		return
	}
	if b.chance(35) {
		return
	}
	if names := b.sharedClaims[pod.Namespace]; len(names) > 0 && b.chance(20) {
		useClaim(pod, pick(b, names...))
		return
	}
	claim := &resource.ResourceClaim{ObjectMeta: metav1.ObjectMeta{Namespace: pod.Namespace, Name: pod.Name + "-claim"}}
	for i := range 1 + b.IntN(2) {
		claim.Spec.Devices.Requests = append(claim.Spec.Devices.Requests, drawDeviceRequest(b, i))
	}
	if b.chance(25) && !takesAll(claim) {
		attribute := resource.FullyQualifiedName(gpuDriver + "/" + pick(b, "model", "socket"))
		claim.Spec.Devices.Constraints = []resource.DeviceConstraint{{MatchAttribute: &attribute}}
	}
	if b.chance(4) {
		useClaim(pod, "missing")
		return
	}
	b.others = append(b.others, claim)
	if b.sharedClaims == nil {
		b.sharedClaims = map[string][]string{}
	}
	b.sharedClaims[pod.Namespace] = append(b.sharedClaims[pod.Namespace], claim.Name)
	useClaim(pod, claim.Name)
}

// takesAll tells whether a request is for all devices of a node: together with a constraint that they do not meet
// upstream's cycle ends in an error and not in a verdict.
func takesAll(claim *resource.ResourceClaim) bool {
	return slices.ContainsFunc(claim.Spec.Devices.Requests, func(request resource.DeviceRequest) bool {
		return request.Exactly != nil && request.Exactly.AllocationMode == resource.DeviceAllocationModeAll
	})
}

// useClaim names a claim in the pod and in its first container.
func useClaim(pod *v1.Pod, claim string) {
	pod.Spec.ResourceClaims = []v1.PodResourceClaim{{Name: "devices", ResourceClaimName: &claim}}
	if pod.Spec.Containers[0].Resources.Claims == nil {
		pod.Spec.Containers[0].Resources.Claims = []v1.ResourceClaim{{Name: "devices"}}
	}
}

func drawDeviceRequest(b *builder, number int) resource.DeviceRequest {
	request := resource.DeviceRequest{Name: fmt.Sprintf("r%d", number)}
	if b.chance(12) {
		request.FirstAvailable = []resource.DeviceSubRequest{
			{Name: "best", DeviceClassName: "big-gpu", Count: 1},
			{Name: "other", DeviceClassName: "gpu", Count: int64(1 + b.IntN(2))},
		}
		return request
	}
	exactly := &resource.ExactDeviceRequest{DeviceClassName: pick(b, "gpu", "gpu", "gpu", "big-gpu", "net")}
	request.Exactly = exactly
	switch {
	case b.chance(10):
		exactly.AllocationMode = resource.DeviceAllocationModeAll
	case b.chance(30):
		exactly.Count = 2
	}
	if exactly.DeviceClassName != "net" && b.chance(40) {
		exactly.Selectors = selectors(pick(b,
			`device.attributes["gpu.example.com"].model == "a"`,
			`device.attributes["gpu.example.com"].ecc`,
			`device.attributes["gpu.example.com"].socket == 0 || device.attributes["gpu.example.com"].model in ["b"]`,
			`device.attributes["gpu.example.com"].firmware.isGreaterThan(semver("1.5.0"))`,
			`device.capacity["gpu.example.com"].memory.isGreaterThan(quantity("15Gi"))`,
		))
	}
	if b.chance(15) {
		exactly.Tolerations = []resource.DeviceToleration{{Operator: resource.DeviceTolerationOpExists}}
	}
	return request
}

// occupyDevice gives a bound pod a device of its node by a claim that is allocated and reserved for it.
func (b *builder) occupyDevice(pod *v1.Pod) {
	if !b.chance(30) {
		return
	}
	for _, slice := range b.devices {
		if *slice.Spec.NodeName != pod.Spec.NodeName {
			continue
		}
		at := b.occupied[pod.Spec.NodeName]
		if at >= len(slice.Spec.Devices) {
			return
		}
		if b.occupied == nil {
			b.occupied = map[string]int{}
		}
		b.occupied[pod.Spec.NodeName]++
		claim := &resource.ResourceClaim{ObjectMeta: metav1.ObjectMeta{Namespace: pod.Namespace, Name: pod.Name + "-claim", Finalizers: []string{resource.Finalizer}}}
		claim.Spec.Devices.Requests = []resource.DeviceRequest{{Name: "r0", Exactly: &resource.ExactDeviceRequest{DeviceClassName: "gpu"}}}
		node := &v1.NodeSelector{NodeSelectorTerms: []v1.NodeSelectorTerm{{
			MatchFields: []v1.NodeSelectorRequirement{{Key: "metadata.name", Operator: v1.NodeSelectorOpIn, Values: []string{pod.Spec.NodeName}}},
		}}}
		result := resource.DeviceRequestAllocationResult{Request: "r0", Driver: gpuDriver, Pool: slice.Spec.Pool.Name, Device: slice.Spec.Devices[at].Name}
		claim.Status.Allocation = &resource.AllocationResult{NodeSelector: node, Devices: resource.DeviceAllocationResult{Results: []resource.DeviceRequestAllocationResult{result}}}
		claim.Status.ReservedFor = []resource.ResourceClaimConsumerReference{{Resource: "pods", Name: pod.Name, UID: uid(pod)}}
		b.others = append(b.others, claim)
		useClaim(pod, claim.Name)
		return
	}
}
