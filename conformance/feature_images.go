package main

import (
	"fmt"

	v1 "k8s.io/api/core/v1"
)

// imageNames stand for images of which the n-th has imageSizes[n]; the sizes lie on both sides of the plug-in's thresholds.
var imageNames = []string{"registry.example/web", "registry.example/api:v1", "db", "registry.example:5000/batch", "tiny:1.0"}
var imageSizes = []int64{700 << 20, 310 << 20, 1500 << 20, 95 << 20, 2 << 20}

func imagesNode(b *builder, node *v1.Node) {
	for i, name := range imageNames {
		if !b.chance(40) {
			continue
		}
		names := []string{normalisedImage(name)}
		if b.chance(50) {
			names = append(names, fmt.Sprintf("%s@sha256:%064d", name, i))
		}
		node.Status.Images = append(node.Status.Images, v1.ContainerImage{Names: names, SizeBytes: imageSizes[i]})
	}
}

// normalisedImage adds the tag that a kubelet reports for a name without one.
func normalisedImage(name string) string {
	switch name {
	case "registry.example/web", "db", "registry.example:5000/batch":
		return name + ":latest"
	}
	return name
}

func imagesPod(b *builder, pod *v1.Pod) {
	for i := range pod.Spec.Containers {
		pod.Spec.Containers[i].Image = pick(b, append(imageNames, "unknown:3")...)
	}
	for i := range pod.Spec.InitContainers {
		pod.Spec.InitContainers[i].Image = pick(b, append(imageNames, "unknown:3")...)
	}
}
