package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	vpa_types "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"
	"k8s.io/autoscaler/vertical-pod-autoscaler/pkg/updater/priority"
	vpa_utils "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/utils/vpa"
)

type priorityVector struct {
	Name            string           `json:"name"`
	Policy          policy           `json:"policy"`
	Recommendations []recommendation `json:"recommendations"`
	Thresholds      thresholds       `json:"thresholds"`
	Requirements    *[]requirement   `json:"requirements,omitempty"`
	Pods            []priorityPod    `json:"pods"`
	Order           []int            `json:"order"` // the pods that are changed, the most urgent first
}

type thresholds struct {
	MinChange float64 `json:"minChange"`
	Lifetime  int64   `json:"lifetime"` // s
	OOM       int64   `json:"oom"`
}

type requirement struct {
	Resources []string `json:"resources"`
	Higher    bool     `json:"higher,omitempty"`
}

type priorityPod struct {
	Containers []runningContainer `json:"containers"`
	Age        *int64             `json:"age,omitempty"` // s
	Priority   *podPriority       `json:"priority,omitempty"`
}

type podPriority struct {
	Outside bool    `json:"outside,omitempty"`
	Up      bool    `json:"up,omitempty"`
	Diff    float64 `json:"diff"`
}

type runningContainer struct {
	container
	Ended      *[2]int64 `json:"ended,omitempty"` // s since it started, and since it ended
	OOM        bool      `json:"oom,omitempty"`
	Unobserved bool      `json:"unobserved,omitempty"`
}

func drawRunning(random *rand.Rand, template []container) []runningContainer {
	var result []runningContainer
	observes := chance(random, 0.2)
	for _, own := range template {
		one := runningContainer{container: own}
		if chance(random, 0.5) {
			one.container = drawContainers(random, []string{own.Name})[0]
		}
		if chance(random, 0.3) {
			ended := pick(random, 599, 600, random.Int64N(900), random.Int64N(100_000))
			one.Ended = &[2]int64{ended + pick(random, 599, 600, random.Int64N(900), random.Int64N(100_000)), ended}
			one.OOM = chance(random, 0.7)
		}
		one.Unobserved = observes && chance(random, 0.4)
		result = append(result, one)
	}
	return result
}

func runningPod(name string, containers []runningContainer, now time.Time) *corev1.Pod {
	var plain []container
	var observed []string
	isAnnotated := false
	for _, one := range containers {
		plain = append(plain, one.container)
		if one.Unobserved {
			isAnnotated = true
		} else {
			observed = append(observed, one.Name)
		}
	}
	pod := podOf(name, plain)
	if isAnnotated {
		pod.Annotations = map[string]string{"vpaObservedContainers": strings.Join(observed, ", ")}
	}
	for _, one := range containers {
		status := corev1.ContainerStatus{Name: one.Name}
		if one.Ended != nil {
			reason := "Error"
			if one.OOM {
				reason = "OOMKilled"
			}
			ago := func(seconds int64) metav1.Time { return metav1.NewTime(now.Add(-time.Duration(seconds) * time.Second)) }
			status.LastTerminationState.Terminated = &corev1.ContainerStateTerminated{Reason: reason, StartedAt: ago(one.Ended[0]), FinishedAt: ago(one.Ended[1])}
		}
		pod.Status.ContainerStatuses = append(pod.Status.ContainerStatuses, status)
	}
	return pod
}

func drawRequirements(random *rand.Rand) *[]requirement {
	if chance(random, 0.6) {
		return nil
	}
	result := []requirement{}
	for range random.IntN(3) {
		result = append(result, requirement{Resources: pick(random, []string{"cpu"}, []string{"memory"}, []string{"cpu", "memory"}), Higher: chance(random, 0.5)})
	}
	return &result
}

func (v *priorityVector) evictionRequirements() []*vpa_types.EvictionRequirement {
	result := []*vpa_types.EvictionRequirement{}
	for _, own := range *v.Requirements {
		one := &vpa_types.EvictionRequirement{ChangeRequirement: vpa_types.TargetLowerThanRequests}
		if own.Higher {
			one.ChangeRequirement = vpa_types.TargetHigherThanRequests
		}
		for _, name := range own.Resources {
			one.Resources = append(one.Resources, corev1.ResourceName(name))
		}
		result = append(result, one)
	}
	return result
}

func priorityCase(random *rand.Rand, number int, reached map[string]int) any {
	names := []string{"app", "sidecar", "logger"}[:1+random.IntN(3)]
	template := drawContainers(random, names)
	vector := priorityVector{Name: fmt.Sprintf("priority-%04d", number), Policy: drawPolicy(random, names), Requirements: drawRequirements(random)}
	vector.Policy.IntegerCPU = nil
	vector.Recommendations = drawRecommendations(random, names, template)
	if chance(random, 0.1) {
		vector.Recommendations = vector.Recommendations[1:]
	}
	if len(vector.Recommendations) == 0 {
		return nil
	}
	vector.Thresholds = thresholds{0.1, 43_200, 600}
	if chance(random, 0.3) {
		vector.Thresholds = thresholds{random.Float64(), random.Int64N(100_000), random.Int64N(2000)}
	}
	now := time.Unix(1_700_000_000, 0)
	vpa := &vpa_types.VerticalPodAutoscaler{ObjectMeta: metav1.ObjectMeta{Name: "vpa", Namespace: "default"}}
	vpa.Spec.ResourcePolicy = vector.Policy.resourcePolicy()
	vpa.Status.Recommendation = podResources(vector.Recommendations)
	if vector.Requirements != nil {
		vpa.Spec.UpdatePolicy = &vpa_types.PodUpdatePolicy{EvictionRequirements: vector.evictionRequirements()}
	}
	processor := vpa_utils.NewCappingRecommendationProcessor(ranges{})
	config := priority.UpdateConfig{MinChangePriority: vector.Thresholds.MinChange, PodLifetimeUpdateThreshold: time.Duration(vector.Thresholds.Lifetime) * time.Second, EvictAfterOOMThreshold: time.Duration(vector.Thresholds.OOM) * time.Second}
	calculator := priority.NewUpdatePriorityCalculator(vpa, config, processor, priority.NewProcessor())
	var pods []*corev1.Pod
	// Up to twelve pods upstream's sort leaves equal ones in their order.
	for number := range 1 + random.IntN(6) {
		one := priorityPod{Containers: drawRunning(random, template)}
		if number > 0 && chance(random, 0.2) {
			one.Containers = vector.Pods[0].Containers
			reached["pods alike"]++
		}
		pod := runningPod(fmt.Sprint("pod-", number), one.Containers, now)
		if chance(random, 0.95) {
			one.Age = pointer(pick(random, vector.Thresholds.Lifetime, max(vector.Thresholds.Lifetime-1, 0), random.Int64N(100_000), random.Int64N(100_000)))
			pod.Status.StartTime = pointer(metav1.NewTime(now.Add(-time.Duration(*one.Age) * time.Second)))
		}
		processed, _, err := processor.Apply(vpa, pod)
		if err != nil {
			panic(err)
		}
		own := priority.NewProcessor().GetUpdatePriority(pod, vpa, processed)
		one.Priority = &podPriority{own.OutsideRecommendedRange, own.ScaleUp, own.ResourceDiff}
		vector.Pods = append(vector.Pods, one)
		pods = append(pods, pod)
		calculator.AddPod(pod, now, nil)
	}
	admission := priority.NewScalingDirectionPodEvictionAdmission()
	admission.LoopInit(pods, map[*vpa_types.VerticalPodAutoscaler][]*corev1.Pod{vpa: pods})
	vector.Order = []int{}
	for _, pod := range calculator.GetSortedPods(admission) {
		vector.Order = append(vector.Order, slices.Index(pods, pod))
	}
	reached["pods"] += len(pods)
	reached["pods that are changed"] += len(vector.Order)
	if len(vector.Order) > 1 {
		reached["more than one in order"]++
	}
	for _, one := range vector.Pods {
		if one.Priority.Outside {
			reached["outside the range"]++
		}
		if one.Priority.Diff == 0 {
			reached["no difference"]++
		}
	}
	return vector
}
