package main

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	provider "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/admission-controller/resource/pod/recommendation"
	vpa_types "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"
	vpa_utils "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/utils/vpa"
)

type cappingVector struct {
	Name            string           `json:"name"`
	Mode            string           `json:"mode"`
	Policy          policy           `json:"policy"`
	Containers      []container      `json:"containers"`
	Recommendations []recommendation `json:"recommendations"`
	ContainerRange  *limitRange      `json:"containerRange,omitempty"`
	PodRange        *limitRange      `json:"podRange,omitempty"`
	Capped          []recommendation `json:"capped"`
	Resources       []container      `json:"resources"`
}

type container struct {
	Name     string  `json:"name"`
	Requests amounts `json:"requests"`
	Limits   amounts `json:"limits"`
}

type limitRange struct {
	Min     amounts `json:"min"`
	Max     amounts `json:"max"`
	Default amounts `json:"default"`
}

func (l *limitRange) item(kind corev1.LimitType) *corev1.LimitRangeItem {
	if l == nil {
		return nil
	}
	return &corev1.LimitRangeItem{Type: kind, Min: l.Min.list(), Max: l.Max.list(), Default: l.Default.list()}
}

// ranges stands in for upstream's calculator, which reads them from the API server.
type ranges struct{ container, pod *corev1.LimitRangeItem }

func (r ranges) GetContainerLimitRangeItem(string) (*corev1.LimitRangeItem, error) {
	return r.container, nil
}
func (r ranges) GetPodLimitRangeItem(string) (*corev1.LimitRangeItem, error) { return r.pod, nil }

func drawContainers(random *rand.Rand, names []string) []container {
	var result []container
	for _, name := range names {
		one := container{Name: name, Requests: drawAmounts(random, 0.9)}
		switch random.IntN(4) {
		case 0:
			one.Limits = one.Requests
		case 1:
			one.Limits = drawAmounts(random, 0.8)
		case 2:
			// Limits are a multiple of requests.
			factor := 1 + random.Int64N(4)
			if one.Requests.CPU != nil {
				one.Limits.CPU = pointer(*one.Requests.CPU * factor)
			}
			if one.Requests.Memory != nil {
				one.Limits.Memory = pointer(*one.Requests.Memory * factor)
			}
		}
		result = append(result, one)
	}
	return result
}

func drawRecommendations(random *rand.Rand, names []string, near []container) []recommendation {
	result := []recommendation{}
	for i, name := range names {
		controlled := pick(random, "both", "both", "both", "cpu", "memory")
		draw := func() amounts {
			own := drawAmounts(random, 1)
			// Near what is requested, so that bounds are met on both sides.
			if i < len(near) && chance(random, 0.6) {
				scale := 0.5 + random.Float64()
				if cpu := near[i].Requests.CPU; cpu != nil {
					own.CPU = pointer(int64(float64(*cpu) * scale))
				}
				if memory := near[i].Requests.Memory; memory != nil {
					own.Memory = pointer(int64(float64(*memory) * scale))
				}
			}
			if controlled == "cpu" {
				own.Memory = nil
			}
			if controlled == "memory" {
				own.CPU = nil
			}
			return own
		}
		one := recommendation{Container: name, Target: draw(), Lower: draw(), Upper: draw()}
		if i < len(near) && chance(random, 0.3) {
			one.Target = near[i].Requests
		}
		one.Uncapped = one.Target
		result = append(result, one)
	}
	return result
}

func podResources(of []recommendation) *vpa_types.RecommendedPodResources {
	result := &vpa_types.RecommendedPodResources{}
	for _, one := range of {
		result.ContainerRecommendations = append(result.ContainerRecommendations, vpa_types.RecommendedContainerResources{
			ContainerName: one.Container, Target: one.Target.list(), LowerBound: one.Lower.list(), UpperBound: one.Upper.list(), UncappedTarget: one.Uncapped.list(),
		})
	}
	return result
}

func podOf(name string, containers []container) *corev1.Pod {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "default"}}
	for _, one := range containers {
		pod.Spec.Containers = append(pod.Spec.Containers, corev1.Container{Name: one.Name, Resources: corev1.ResourceRequirements{Requests: one.Requests.list(), Limits: one.Limits.list()}})
	}
	return pod
}

func drawRange(random *rand.Rand, sum func(resource string) int64) *limitRange {
	one := &limitRange{Min: drawAmounts(random, 0.4), Max: drawAmounts(random, 0.4), Default: drawAmounts(random, 0.2)}
	for _, bound := range []*amounts{&one.Min, &one.Max} {
		if bound.CPU != nil && chance(random, 0.7) {
			bound.CPU = pointer(max(1, int64(float64(sum("cpu"))*(0.3+1.5*random.Float64()))))
		}
		if bound.Memory != nil && chance(random, 0.7) {
			bound.Memory = pointer(max(1, int64(float64(sum("memory"))*(0.3+1.5*random.Float64()))))
		}
	}
	return one
}

func cappingCase(random *rand.Rand, number int, reached map[string]int) (result any) {
	names := []string{"app", "sidecar", "logger", "proxy"}[:1+random.IntN(4)]
	vector := cappingVector{Name: fmt.Sprintf("capping-%04d", number), Policy: drawPolicy(random, names), Mode: pick(random, "Recreate", "Initial", "InPlaceOrRecreate", "Off")}
	vector.Policy.IntegerCPU = nil
	vector.Containers = drawContainers(random, names)
	vector.Recommendations = drawRecommendations(random, names, vector.Containers)
	if chance(random, 0.2) {
		vector.Recommendations = slices.Delete(vector.Recommendations, 0, 1)
		reached["a container without a recommendation"]++
	}
	if chance(random, 0.1) {
		vector.Recommendations = append(vector.Recommendations, drawRecommendations(random, []string{"gone"}, nil)...)
	}
	sum := func(resource string) int64 {
		var sum int64
		for _, one := range vector.Containers {
			own := one.Requests
			if chance(random, 0.5) {
				own = one.Limits
			}
			if resource == "cpu" && own.CPU != nil {
				sum += *own.CPU
			} else if resource == "memory" && own.Memory != nil {
				sum += *own.Memory
			}
		}
		return sum
	}
	if chance(random, 0.5) {
		vector.ContainerRange = drawRange(random, sum)
		reached["a range of containers"]++
	}
	if chance(random, 0.5) {
		vector.PodRange = drawRange(random, sum)
		reached["a range of pods"]++
	}
	if len(vector.Recommendations) == 0 {
		reached["no recommendation at all"]++
	}
	// Upstream ends with a nil pointer or a write to a nil map in some of these; there is nothing to compare then.
	defer func() {
		if recover() != nil {
			reached["left out: upstream panics, or a listed deviation"]++
			result = nil
		}
	}()
	vector.apply(reached)
	return vector
}

func (v *cappingVector) apply(reached map[string]int) {
	vpa := &vpa_types.VerticalPodAutoscaler{ObjectMeta: metav1.ObjectMeta{Name: "vpa", Namespace: "default"}}
	vpa.Spec.ResourcePolicy = v.Policy.resourcePolicy()
	mode := vpa_types.UpdateMode(v.Mode)
	vpa.Spec.UpdatePolicy = &vpa_types.PodUpdatePolicy{UpdateMode: &mode}
	fresh := func() *vpa_types.VerticalPodAutoscaler {
		own := vpa.DeepCopy()
		if len(v.Recommendations) > 0 {
			own.Status.Recommendation = podResources(v.Recommendations)
		}
		return own
	}
	pod := podOf("pod", v.Containers)
	calculator := ranges{v.ContainerRange.item(corev1.LimitTypeContainer), v.PodRange.item(corev1.LimitTypePod)}
	processor := vpa_utils.NewCappingRecommendationProcessor(calculator)
	v.Capped = []recommendation{}
	if own := fresh(); own.Status.Recommendation != nil {
		capped, annotations, err := processor.Apply(own, pod)
		if err != nil {
			panic(err)
		}
		v.Capped = recommendationsOf(capped)
		for _, actions := range annotations {
			for _, action := range actions {
				reached[action]++
			}
		}
	}
	for _, one := range v.Capped {
		for _, own := range []amounts{one.Target, one.Lower, one.Upper} {
			if own.Memory != nil && *own.Memory < 0 {
				reached["upstream recommends less than nothing"]++
				panic("a listed deviation")
			}
			if own.Memory != nil && *own.Memory > math.MaxInt64/1000 {
				reached["more memory than upstream can compare"]++
				panic("a listed deviation")
			}
		}
	}
	resources, _, err := provider.NewProvider(calculator, processor).GetContainersResourcesForPod(pod, fresh())
	if err != nil {
		panic(err)
	}
	for i, one := range resources {
		own := container{Name: v.Containers[i].Name}
		// The admission applies nothing in this mode, whatever it has worked out.
		if v.Mode != "Off" {
			own.Requests, own.Limits = amountsOf(one.Requests), amountsOf(one.Limits)
			if own.Limits.CPU != nil || own.Limits.Memory != nil {
				reached["limits that follow"]++
			}
		}
		v.Resources = append(v.Resources, own)
	}
}
