package main

import (
	"fmt"

	v1 "k8s.io/api/core/v1"
)

func portsPod(b *builder, pod *v1.Pod) {
	for range b.IntN(3) {
		if !b.chance(40) {
			continue
		}
		port := int32(8080 + b.IntN(3))
		container := &pod.Spec.Containers[b.IntN(len(pod.Spec.Containers))]
		container.Ports = append(container.Ports, v1.ContainerPort{
			Name:          fmt.Sprintf("p%d", len(container.Ports)),
			ContainerPort: port,
			HostPort:      pick(b, port, port, 0),
			HostIP:        pick(b, "", "", "0.0.0.0", "127.0.0.1", "10.0.0.1"),
			Protocol:      pick(b, "", v1.ProtocolTCP, v1.ProtocolUDP, v1.ProtocolSCTP),
		})
	}
}
