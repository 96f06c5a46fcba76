package hpa

import (
	"context"
	"fmt"
	"math"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/kubernetes/pkg/controller/podautoscaler"
)

// calculation is one call of upstream's ReplicaCalculator.
type calculation struct {
	Name      string                `json:"name"`
	Call      string                `json:"call"`
	Current   int32                 `json:"current,omitempty"`
	Target    int64                 `json:"target"`
	Resource  string                `json:"resource,omitempty"`
	Container string                `json:"container,omitempty"`
	Selector  *metav1.LabelSelector `json:"selector,omitempty"`
	Down      float64               `json:"down"`
	Up        float64               `json:"up"`
	Flags     flags                 `json:"flags"`
	Now       int64                 `json:"now"`
	*world
	Want answer `json:"want"`
}

// answer is what came of a call; of calls that fail the error alone.
type answer struct {
	Replicas    int32  `json:"replicas,omitempty"`
	Usage       int64  `json:"usage,omitempty"`
	Utilization int32  `json:"utilization,omitempty"`
	Error       string `json:"error,omitempty"`
}

const metricName = "load"

// Calculations draws calls and has upstream answer them. The clock has to stand still meanwhile.
func Calculations(seed int64, count int) []any {
	var lines []any
	for i := range count {
		d := newDraw(seed, 1, uint64(i))
		c := d.calculation(fmt.Sprintf("calculation-%04d", i))
		c.Want = c.ask()
		lines = append(lines, c)
	}
	return lines
}

func (d draw) calculation(name string) *calculation {
	c := &calculation{Name: name, Now: 3_600_000, world: &world{}}
	c.Flags = flags{Tolerance: 0.1, Initialization: pick[int64](d, 300_000, 300_000, 120_000), Readiness: pick[int64](d, 30_000, 30_000, 10_000)}
	c.Down, c.Up = d.tolerance(), d.tolerance()
	c.Call = pick(d, "resource", "resource", "resource", "resource", "usage", "usage", "pods", "pods", "object", "objectPerPod", "external", "externalPerPod")
	for range 1 + d.IntN(2) {
		c.Templates = append(c.Templates, d.template(true))
	}
	count := pick(d, 1, 2, 3, 3, 4, 5, 6, 8)
	if d.often(3) {
		count = 0
	}
	for id := range count {
		c.Pods = append(c.Pods, d.pod(id*2+1, len(c.Templates), c.Now, c.Flags))
	}
	c.Current = int32(count)
	if d.often(25) {
		c.Current = int32(max(0, count+d.IntN(7)-3))
	}
	ratio := d.ratio(c.Down, c.Up)
	switch c.Call {
	case "resource", "usage":
		d.drawUsage(c, ratio)
	case "pods":
		c.Target = d.between(1, 50_000)
		c.Samples = map[string]samples{metricName: d.podSamples(c, float64(c.Target)*ratio)}
	default:
		c.Selector = d.selector()
		d.drawValue(c, ratio)
	}
	return c
}

func (d draw) tolerance() float64 { return pick(d, 0.1, 0.1, 0.1, 0, 0.01, 0.05, 0.25, 0.5) }

func (d draw) drawUsage(c *calculation, ratio float64) {
	c.Resource = pick(d, "cpu", "cpu", "cpu", "memory", "memory", "cpu", "cpu", "cpu", "cpu", "memory")
	if d.often(1) {
		c.Resource = "nvidia.com/gpu"
	}
	if d.often(30) {
		c.Container = pick(d, "app", "app", "app", "proxy", "log", "other")
	}
	utilization := pick[int64](d, 10, 30, 50, 50, 70, 80, 80, 100, 150, 300)
	c.Target = utilization
	if c.Call == "usage" {
		c.Target = pick[int64](d, 50, 100, 250, 1000)
		if c.Resource == "memory" {
			c.Target = pick[int64](d, 1<<26, 1<<28, 1<<30) * 1000
		}
	}
	if d.often(2) {
		c.UsageError = "the server is currently unable to handle the request (get pods.metrics.k8s.io)"
		return
	}
	if d.often(1) {
		// Sums that wrap around.
		ratio *= 1e5
	}
	d.measure(c.world, c.Now, float64(utilization)/100*ratio, 85, c.Resource != "memory", c.Resource == "memory")
	if d.often(2) {
		c.Usage = nil
	}
}

// measure draws the usage of pods; of some nothing is known, and some are gone.
func (d draw) measure(w *world, now int64, share float64, percent int, hasCPU, hasMemory bool) {
	w.Usage = nil
	if len(w.Pods) == 0 && d.often(50) {
		w.Usage = append(w.Usage, d.usage(pod{}, w.Templates[0], now, share, hasCPU, hasMemory))
	}
	for _, p := range w.Pods {
		if d.often(3) {
			gone := pod{ID: p.ID - 1}
			w.Usage = append(w.Usage, d.usage(gone, w.Templates[0], now, share, hasCPU, hasMemory))
		}
		if d.often(percent) {
			w.Usage = append(w.Usage, d.usage(p, w.Templates[p.Template], now, share, hasCPU, hasMemory))
		}
	}
}

func (d draw) podSamples(c *calculation, mean float64) samples {
	if d.often(3) {
		return samples{Error: "the server could not find the metric load for pods"}
	}
	if d.often(2) {
		mean *= 1e12
	}
	return samples{Pods: d.valuesOf(c.Pods, mean, 85)}
}

func (d draw) valuesOf(pods []pod, mean float64, percent int) []sample {
	var list []sample
	if len(pods) == 0 && d.often(50) {
		list = append(list, sample{0, d.jittered(mean)})
	}
	for _, p := range pods {
		if d.often(3) {
			list = append(list, sample{p.ID - 1, d.jittered(mean)})
		}
		if d.often(percent) {
			list = append(list, sample{p.ID, d.jittered(mean)})
		}
	}
	return list
}

// drawValue draws a value of an object, or series.
func (d draw) drawValue(c *calculation, ratio float64) {
	c.Target = d.between(1, 100_000)
	value := float64(c.Target) * ratio
	if c.Call == "objectPerPod" || c.Call == "externalPerPod" {
		value *= float64(c.Current)
	}
	if d.often(3) {
		c.Samples = map[string]samples{metricName: {Error: "the server could not find the requested resource"}}
		return
	}
	whole := int64(value)
	if d.often(4) {
		whole = pick[int64](d, math.MaxInt64, math.MaxInt64/2, 1<<53, 0, 1<<40)
		c.Target = pick[int64](d, 1, 1000, math.MaxInt64, c.Target)
	}
	if c.Call == "object" || c.Call == "objectPerPod" {
		c.Samples = map[string]samples{metricName: {Object: &whole}}
		return
	}
	var series []int64
	if !d.often(3) {
		series = []int64{whole}
		for d.often(30) {
			series = append(series, d.between(-2000, max(1, min(whole, 1<<40))))
		}
		if d.often(12) {
			series = append(series, math.MaxInt64/2+1)
		}
		if d.often(8) {
			series = append(series, math.MaxInt64/2+1)
		}
	}
	c.Samples = map[string]samples{metricName: {Series: series}}
}

// ask has upstream answer.
func (c *calculation) ask() answer {
	c.start = time.Now().Add(-ms(c.Now))
	calculator := podautoscaler.NewReplicaCalculator(clients(c.world), podLister{w: c.world}, ms(c.Flags.Initialization), ms(c.Flags.Readiness))
	tolerances := tolerancesOf(c.Down, c.Up)
	ctx, resource, pods := context.Background(), v1.ResourceName(c.Resource), labels.Everything()
	object := &autoscalingv2.CrossVersionObjectReference{Kind: "Service", Name: "front"}
	var got answer
	var err error
	switch c.Call {
	case "resource":
		got.Replicas, got.Utilization, got.Usage, _, err = calculator.GetResourceReplicas(ctx, c.Current, int32(c.Target), resource, tolerances, namespace, pods, c.Container)
	case "usage":
		got.Replicas, got.Usage, _, err = calculator.GetRawResourceReplicas(ctx, c.Current, c.Target, resource, tolerances, namespace, pods, c.Container)
	case "pods":
		got.Replicas, got.Usage, _, err = calculator.GetMetricReplicas(c.Current, c.Target, metricName, tolerances, namespace, pods, nil)
	case "object":
		got.Replicas, got.Usage, _, err = calculator.GetObjectMetricReplicas(c.Current, c.Target, metricName, tolerances, namespace, object, pods, nil)
	case "objectPerPod":
		got.Replicas, got.Usage, _, err = calculator.GetObjectPerPodMetricReplicas(c.Current, c.Target, metricName, tolerances, namespace, object, nil)
	case "external":
		got.Replicas, got.Usage, _, err = calculator.GetExternalMetricReplicas(c.Current, c.Target, metricName, tolerances, namespace, c.Selector, pods)
	case "externalPerPod":
		got.Replicas, got.Usage, _, err = calculator.GetExternalPerPodMetricReplicas(c.Current, c.Target, metricName, tolerances, namespace, c.Selector)
	}
	if err != nil {
		return answer{Error: err.Error()}
	}
	return got
}
