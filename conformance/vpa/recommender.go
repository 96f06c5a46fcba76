package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	vpa_types "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"
	"k8s.io/autoscaler/vertical-pod-autoscaler/pkg/recommender/logic"
	"k8s.io/autoscaler/vertical-pod-autoscaler/pkg/recommender/model"
	"k8s.io/autoscaler/vertical-pod-autoscaler/pkg/recommender/routines"
)

type recommenderVector struct {
	Name         string           `json:"name"`
	Aggregations aggregations     `json:"aggregations"`
	Config       recommenderFlags `json:"config"`
	Policy       policy           `json:"policy"`
	Pods         []recommenderPod `json:"pods"`
	Ops          []recommenderOp  `json:"ops"`
}

type aggregations struct {
	Interval       int64   `json:"interval"` // s
	CPUHalfLife    int64   `json:"cpuHalfLife"`
	MemoryHalfLife int64   `json:"memoryHalfLife"`
	BumpUpRatio    float64 `json:"bumpUpRatio"`
	MinBumpUp      float64 `json:"minBumpUp"`
}

type recommenderFlags struct {
	Margin      float64    `json:"margin"`
	MinCPU      float64    `json:"minCPU"`
	MinMemory   float64    `json:"minMemory"`
	CPU         [3]float64 `json:"cpu"` // target, lower, upper
	Memory      [3]float64 `json:"memory"`
	Confidence  [2]int64   `json:"confidence"` // s
	RoundCPU    int        `json:"roundCPU"`
	RoundMemory int        `json:"roundMemory"`
	IntegerCPU  bool       `json:"integerCPU,omitempty"`
	MaxAllowed  amounts    `json:"maxAllowed"`
}

type policy struct {
	Containers []containerPolicy `json:"containers,omitempty"`
	IntegerCPU []string          `json:"integerCPU,omitempty"`
}

type containerPolicy struct {
	Container    string  `json:"container"`
	Off          bool    `json:"off,omitempty"`
	Min          amounts `json:"min"`
	Max          amounts `json:"max"`
	Controlled   string  `json:"controlled,omitempty"` // cpu, memory, none; empty: both
	RequestsOnly bool    `json:"requestsOnly,omitempty"`
}

type recommenderPod struct {
	Labels     int      `json:"labels"`
	Containers []string `json:"containers"`
}

type recommenderOp struct {
	// Of a container:
	Pod       int     `json:"pod,omitempty"`
	Container string  `json:"container,omitempty"`
	Resource  string  `json:"resource,omitempty"` // cpu, memory: samples; oom
	Series    *series `json:"series,omitempty"`
	Accepted  int     `json:"accepted,omitempty"`
	Time      int64   `json:"t,omitempty"` // s since 1970
	Request   int64   `json:"request,omitempty"`
	// Of the VPA: each answer that upstream gives. The order of a Go map may decide between two.
	Recommended [][]recommendation `json:"recommended,omitempty"`
}

type recommendation struct {
	Container string  `json:"container"`
	Target    amounts `json:"target"`
	Lower     amounts `json:"lower"`
	Upper     amounts `json:"upper"`
	Uncapped  amounts `json:"uncapped"`
}

func recommendationsOf(of *vpa_types.RecommendedPodResources) []recommendation {
	result := []recommendation{}
	for _, one := range of.ContainerRecommendations {
		result = append(result, recommendation{one.ContainerName, amountsOf(one.Target), amountsOf(one.LowerBound), amountsOf(one.UpperBound), amountsOf(one.UncappedTarget)})
	}
	return result
}

func drawAmounts(random *rand.Rand, probability float64) amounts {
	var result amounts
	if chance(random, probability) {
		result.CPU = pointer(pick(random, int64(0), between(random, 1, 100_000), between(random, 1, 100_000), between(random, 1, 100_000)))
	}
	if chance(random, probability) {
		result.Memory = pointer(pick(random, int64(0), between(random, 1e6, 1e12), between(random, 1e6, 1e12), between(random, 1e6, 1e12)))
	}
	return result
}

func drawPolicy(random *rand.Rand, names []string) policy {
	var result policy
	for _, name := range append(slices.Clone(names), "*") {
		if chance(random, 0.6) {
			continue
		}
		own := containerPolicy{Container: name, Off: chance(random, 0.1), Min: drawAmounts(random, 0.3), Max: drawAmounts(random, 0.3), RequestsOnly: chance(random, 0.3)}
		if chance(random, 0.3) {
			own.Controlled = pick(random, "cpu", "memory")
		}
		result.Containers = append(result.Containers, own)
		if name != "*" && chance(random, 0.4) {
			result.IntegerCPU = append(result.IntegerCPU, name)
		}
	}
	random.Shuffle(len(result.Containers), func(i, j int) {
		result.Containers[i], result.Containers[j] = result.Containers[j], result.Containers[i]
	})
	return result
}

func (p policy) resourcePolicy() *vpa_types.PodResourcePolicy {
	result := &vpa_types.PodResourcePolicy{}
	for _, own := range p.Containers {
		mode, values := vpa_types.ContainerScalingModeAuto, vpa_types.ContainerControlledValuesRequestsAndLimits
		if own.Off {
			mode = vpa_types.ContainerScalingModeOff
		}
		if own.RequestsOnly {
			values = vpa_types.ContainerControlledValuesRequestsOnly
		}
		one := vpa_types.ContainerResourcePolicy{ContainerName: own.Container, Mode: &mode, MinAllowed: own.Min.list(), MaxAllowed: own.Max.list(), ControlledValues: &values}
		switch own.Controlled {
		case "cpu":
			one.ControlledResources = &[]corev1.ResourceName{corev1.ResourceCPU}
		case "memory":
			one.ControlledResources = &[]corev1.ResourceName{corev1.ResourceMemory}
		}
		result.ContainerPolicies = append(result.ContainerPolicies, one)
	}
	return result
}

func drawRecommenderFlags(random *rand.Rand) recommenderFlags {
	flags := recommenderFlags{Margin: 0.15, MinCPU: 25, MinMemory: 250, CPU: [3]float64{0.9, 0.5, 0.95}, Memory: [3]float64{0.9, 0.5, 0.95}, Confidence: [2]int64{86_400, 86_400}, RoundCPU: 1, RoundMemory: 1}
	if chance(random, 0.5) {
		return flags
	}
	flags.Margin = float64(random.IntN(100)) / 100
	flags.MinCPU, flags.MinMemory = float64(1+random.IntN(200)), float64(1+random.IntN(500))
	percentile := func() float64 { return float64(random.IntN(101)) / 100 }
	flags.CPU = [3]float64{percentile(), percentile(), percentile()}
	flags.Memory = [3]float64{percentile(), percentile(), percentile()}
	flags.Confidence = [2]int64{between(random, 60, 1_000_000), between(random, 60, 1_000_000)}
	flags.RoundCPU, flags.RoundMemory = pick(random, 1, 10, 100, 7), pick(random, 1, 1<<20, 1000)
	flags.IntegerCPU = chance(random, 0.5)
	flags.MaxAllowed = drawAmounts(random, 0.3)
	return flags
}

func (f recommenderFlags) recommender() (logic.PodResourceRecommender, logic.RecommendationFormat, []routines.RecommendationPostProcessor) {
	recommender := logic.CreatePodResourceRecommender(logic.RecommendationConfig{
		SafetyMarginFraction: f.Margin, PodMinCPUMillicores: f.MinCPU, PodMinMemoryMb: f.MinMemory,
		TargetCPUPercentile: f.CPU[0], LowerBoundCPUPercentile: f.CPU[1], UpperBoundCPUPercentile: f.CPU[2],
		ConfidenceIntervalCPU:  time.Duration(f.Confidence[0]) * time.Second,
		TargetMemoryPercentile: f.Memory[0], LowerBoundMemoryPercentile: f.Memory[1], UpperBoundMemoryPercentile: f.Memory[2],
		ConfidenceIntervalMemory: time.Duration(f.Confidence[1]) * time.Second,
	})
	var processors []routines.RecommendationPostProcessor
	if f.IntegerCPU {
		processors = append(processors, &routines.IntegerCPUPostProcessor{})
	}
	// As upstream's initGlobalMaxAllowed: what is 0 is left out.
	global := corev1.ResourceList{}
	for name, quantity := range f.MaxAllowed.list() {
		if !quantity.IsZero() {
			global[name] = quantity
		}
	}
	processors = append(processors, routines.NewCappingRecommendationProcessor(global))
	return recommender, logic.RecommendationFormat{RoundCPUMillicores: f.RoundCPU, RoundMemoryBytes: f.RoundMemory}, processors
}

func recommenderCase(random *rand.Rand, number int, reached map[string]int) any {
	vector := recommenderVector{Name: fmt.Sprintf("recommender-%04d", number), Config: drawRecommenderFlags(random)}
	vector.Aggregations = aggregations{86_400, 86_400, 86_400, 1.2, 100 << 20}
	if chance(random, 0.4) {
		vector.Aggregations = aggregations{between(random, 600, 200_000), between(random, 600, 200_000), between(random, 600, 200_000), 1 + float64(random.IntN(100))/100, float64(between(random, 1, 1<<30))}
		reached["other aggregation"]++
	}
	own := vector.Aggregations
	model.InitializeAggregationsConfig(model.NewAggregationsConfig(time.Duration(own.Interval)*time.Second, 8, time.Duration(own.MemoryHalfLife)*time.Second, time.Duration(own.CPUHalfLife)*time.Second, own.BumpUpRatio, own.MinBumpUp))
	defer model.InitializeAggregationsConfig(nil)

	names := []string{"app", "sidecar", "logger"}[:1+random.IntN(3)]
	vector.Policy = drawPolicy(random, names)
	for range 1 + random.IntN(3) {
		one := recommenderPod{Labels: random.IntN(2)}
		for _, name := range names {
			if len(one.Containers) == 0 || chance(random, 0.8) {
				one.Containers = append(one.Containers, name)
			}
		}
		vector.Pods = append(vector.Pods, one)
	}
	cluster, _ := vector.cluster()
	now := 1_600_000_000 + random.Int64N(200_000_000)
	for range 1 + random.IntN(4) {
		now = recommenderOps(random, cluster, &vector, now, reached)
	}
	vector.recommend(reached)
	return vector
}

// cluster is upstream's state with the pods of the case, and the VPA for all of them.
func (v *recommenderVector) cluster() (model.ClusterState, *vpa_types.VerticalPodAutoscaler) {
	cluster := model.NewClusterState(time.Hour)
	vpa := &vpa_types.VerticalPodAutoscaler{ObjectMeta: metav1.ObjectMeta{Name: "vpa", Namespace: "default", Annotations: map[string]string{}}}
	vpa.Spec.ResourcePolicy = v.Policy.resourcePolicy()
	for _, name := range v.Policy.IntegerCPU {
		vpa.Annotations["vpa-post-processor.kubernetes.io/"+name+"_integerCPU"] = "true"
	}
	if err := cluster.AddOrUpdateVpa(vpa, labels.SelectorFromSet(labels.Set{"app": "a"})); err != nil {
		panic(err)
	}
	for number, pod := range v.Pods {
		id := podID(number)
		cluster.AddOrUpdatePod(id, labels.Set{"app": "a", "pod-template-hash": fmt.Sprint(pod.Labels)}, corev1.PodRunning)
		for _, name := range pod.Containers {
			if err := cluster.AddOrUpdateContainer(model.ContainerID{PodID: id, ContainerName: name}, model.Resources{}); err != nil {
				panic(err)
			}
		}
	}
	return cluster, vpa
}

// feed gives the cluster the samples or the event of an operation, and tells how many were used.
func (op *recommenderOp) feed(cluster model.ClusterState) int {
	id := model.ContainerID{PodID: podID(op.Pod), ContainerName: op.Container}
	accepted := 0
	if op.Series == nil {
		if cluster.RecordOOM(id, time.Unix(op.Time, 0), model.ResourceAmount(op.Request)) == nil {
			accepted++
		}
		return accepted
	}
	op.Series.each(func(at time.Time, value int64) {
		sample := model.ContainerUsageSampleWithKey{Container: id}
		sample.MeasureStart, sample.Usage, sample.Resource = at, model.ResourceAmount(value), model.ResourceName(op.Resource)
		if cluster.AddSample(&sample) == nil {
			accepted++
		}
	})
	return accepted
}

func podID(pod int) model.PodID {
	return model.PodID{Namespace: "default", PodName: fmt.Sprint("pod-", pod)}
}

// recommenderOps feeds a pod for a while, and tells how late it is then.
func recommenderOps(random *rand.Rand, cluster model.ClusterState, vector *recommenderVector, now int64, reached map[string]int) int64 {
	pod := random.IntN(len(vector.Pods))
	container := vector.Pods[pod].Containers[random.IntN(len(vector.Pods[pod].Containers))]
	count := pick(random, 1, random.IntN(20), random.IntN(500))
	cpu := drawSeries(random, now, 1, 20_000, count)
	memory := cpu
	memory.Seed, memory.Low = random.Uint32(), between(random, 1e6, 1e11)
	memory.High = memory.Low + between(random, 1, memory.Low)
	if chance(random, 0.1) {
		memory.Low = 0
	}
	for _, op := range []recommenderOp{
		{Pod: pod, Container: container, Resource: "cpu", Series: &cpu},
		{Pod: pod, Container: container, Resource: "memory", Series: &memory},
	} {
		op.Accepted = op.feed(cluster)
		if op.Accepted < count {
			reached["samples out of order"]++
		}
		vector.Ops = append(vector.Ops, op)
	}
	end := now + int64(count)*cpu.Every
	if chance(random, 0.5) {
		at := now + random.Int64N(max(end-now, 1)+200_000) - 100_000
		op := recommenderOp{Pod: pod, Container: container, Resource: "oom", Time: at, Request: pick(random, 0, memory.High, between(random, 1e6, 1e11))}
		if op.Accepted = op.feed(cluster); op.Accepted > 0 {
			reached["out of memory, recorded"]++
		} else {
			reached["out of memory, too old"]++
		}
		vector.Ops = append(vector.Ops, op)
	}
	// Other containers may be fed at the same time, and some that are fed later are fed of the past.
	switch {
	case chance(random, 0.4):
		return now
	case chance(random, 0.05):
		return end + 150*86_400
	}
	return end + random.Int64N(100_000)
}

// plays of a case in which the order of two aggregates may matter. Go takes the rarer order of a map of two one time in eight; that it
// does not come in so many plays has a chance of one in 600 000.
const plays = 100

// recommend plays the case so often that the order of a map, of which there are two, comes out both ways.
func (v *recommenderVector) recommend(reached map[string]int) {
	answers := map[string][]recommendation{}
	for range plays {
		cluster, observed := v.cluster()
		for _, op := range v.Ops {
			op.feed(cluster)
		}
		recommender, format, processors := v.Config.recommender()
		vpa := cluster.VPAs()[model.VpaID{Namespace: "default", VpaName: "vpa"}]
		resources := recommender.GetRecommendedPodResources(routines.GetContainerNameToAggregateStateMap(vpa))
		list := logic.MapToListOfRecommendedContainerResources(resources, format)
		for _, processor := range processors {
			list = processor.Process(observed, list)
		}
		answer := recommendationsOf(list)
		text, err := json.Marshal(answer)
		if err != nil {
			panic(err)
		}
		answers[string(text)] = answer
		for _, one := range list.ContainerRecommendations {
			reached["recommendations of a container"]++
			if !equal(one.Target, one.UncappedTarget) {
				reached["capped target"]++
			}
		}
		if !v.hasTwoAggregates() {
			break
		}
	}
	op := recommenderOp{}
	for _, text := range sortedKeys(answers) {
		op.Recommended = append(op.Recommended, answers[text])
	}
	if len(answers) > 1 {
		reached["the order of a map decides"]++
	}
	v.Ops = append(v.Ops, op)
}

func (v *recommenderVector) hasTwoAggregates() bool {
	return slices.ContainsFunc(v.Pods, func(pod recommenderPod) bool { return pod.Labels != v.Pods[0].Labels })
}

func equal(a, b corev1.ResourceList) bool {
	for name, quantity := range a {
		if other := b[name]; other.Cmp(quantity) != 0 {
			return false
		}
	}
	return true
}
