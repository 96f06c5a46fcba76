package main

import v1 "k8s.io/api/core/v1"

// resourcesCluster draws the scoring strategy and the resources that count for it.
func resourcesCluster(b *builder) {
	strategy := map[string]any{"type": pick(b, "LeastAllocated", "MostAllocated", "RequestedToCapacityRatio")}
	strategy["resources"] = drawScoredResources(b)
	if strategy["type"] == "RequestedToCapacityRatio" {
		strategy["requestedToCapacityRatio"] = map[string]any{"shape": drawShape(b)}
	}
	arguments := map[string]any{"scoringStrategy": strategy}
	if b.chance(30) {
		arguments["ignoredResources"] = []string{pick(b, "example.com/missing", "example.com/gpu")}
	}
	if b.chance(20) {
		arguments["ignoredResourceGroups"] = []string{"example.com"}
	}
	b.arguments["NodeResourcesFit"] = arguments
	if b.chance(50) {
		var list []any
		for _, entry := range drawScoredResources(b) {
			name := entry.(map[string]any)["name"]
			list = append(list, map[string]any{"name": name, "weight": 1})
		}
		b.arguments["NodeResourcesBalancedAllocation"] = map[string]any{"resources": list}
	}
}

func drawScoredResources(b *builder) []any {
	list := []any{map[string]any{"name": "cpu", "weight": 1 + b.IntN(5)}}
	for _, name := range some(b, 3, "memory", "example.com/gpu", "ephemeral-storage") {
		list = append(list, map[string]any{"name": name, "weight": 1 + b.IntN(5)})
	}
	return list
}

func drawShape(b *builder) []any {
	shapes := [][][2]int{
		{{0, 0}, {100, 10}},
		{{0, 10}, {100, 0}},
		{{0, 2}, {40, 8}, {70, 9}, {100, 1}},
		{{20, 10}, {80, 3}},
		{{50, 7}},
	}
	var points []any
	for _, point := range pick(b, shapes...) {
		points = append(points, map[string]any{"utilization": point[0], "score": point[1]})
	}
	return points
}

// resourcesPod makes requests for extended resources more frequent than the basic draw does.
func resourcesPod(b *builder, pod *v1.Pod) {
	if !b.chance(30) || pod.Spec.Resources != nil {
		return
	}
	requirements := &pod.Spec.Containers[0].Resources
	if requirements.Requests == nil {
		requirements.Requests = v1.ResourceList{}
	}
	if requirements.Limits == nil {
		requirements.Limits = v1.ResourceList{}
	}
	requirements.Requests["example.com/gpu"] = quantity("1")
	requirements.Limits["example.com/gpu"] = quantity("1")
}
