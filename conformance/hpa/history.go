package hpa

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	defaults "k8s.io/kubernetes/pkg/apis/autoscaling/v2"
)

// history is one autoscaler, looked after for a while.
type history struct {
	Name  string                                    `json:"name"`
	Flags flags                                     `json:"flags"`
	Spec  autoscalingv2.HorizontalPodAutoscalerSpec `json:"spec"`
	Looks []*look                                   `json:"looks"`
}

// look is one reconciliation.
type look struct {
	At             int64    `json:"at"`
	SpecReplicas   int32    `json:"replicas,omitempty"`
	StatusReplicas int32    `json:"current,omitempty"`
	NoSelector     bool     `json:"noSelector,omitempty"`
	ScaleError     string   `json:"scaleError,omitempty"`
	UpdateError    string   `json:"updateError,omitempty"`
	Others         []string `json:"others,omitempty"`
	// From now on the spec says so.
	MinReplicas *int32 `json:"minReplicas,omitempty"`
	*world
	Want outcome `json:"want"`
}

// outcome is what the controller wrote and said.
type outcome struct {
	ScaleTo   *int32     `json:"scaleTo,omitempty"`
	Error     string     `json:"error,omitempty"`
	Events    [][]string `json:"events,omitempty"`
	Current   int32      `json:"current,omitempty"`
	Desired   int32      `json:"desired,omitempty"`
	LastScale *int64     `json:"lastScale,omitempty"`
	// Conditions that are not as they were after the last look; those that have gone have an empty status.
	Conditions []condition `json:"conditions,omitempty"`
	// Metrics in the order of the spec, empty ones for those that are not known; absent: none was looked at.
	Metrics []value `json:"metrics,omitempty"`
}

// condition is written as a list: type, status, reason, message, since.
type condition struct {
	kind, status, reason, message string
	since                         int64
}

// MarshalJSON writes the list.
func (c condition) MarshalJSON() ([]byte, error) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode([]any{c.kind, c.status, c.reason, c.message, c.since})
	return out.Bytes(), err
}

type value struct {
	Utilization *int32 `json:"utilization,omitempty"`
	Average     *int64 `json:"average,omitempty"`
	Value       *int64 `json:"value,omitempty"`
}

// The first look, in milliseconds: pods may be older than the autoscaler.
const firstLook = 3_600_000

// Histories draws autoscalers and has the real controller look after them. It must run in a synctest bubble: the
// controller reads the clock of the machine, and here time passes by sleeping.
func Histories(seed int64, count int) []any {
	var lines []any
	for i := range count {
		d := newDraw(seed, 2, uint64(i))
		lines = append(lines, d.history(fmt.Sprintf("history-%04d", i)))
	}
	return lines
}

// cluster is what a history moves through time: the autoscaler's target and what is measured of it.
type cluster struct {
	draw
	h        *history
	w        *world
	driver   *driver
	hpa      *autoscalingv2.HorizontalPodAutoscaler
	now      int64
	replicas int32
	nextPod  int
	// How many replicas the load would keep busy.
	wanted float64
	// spec.minReplicas, once it has been changed.
	least *int32
	// Whether the last look added replicas.
	raised bool
	// What is measured: pods at all, and what of them.
	usesPods, hasCPU, hasMemory bool
}

func (d draw) history(name string) *history {
	h := &history{Name: name}
	h.Flags = flags{
		Downscale: pick[int64](d, 300_000, 300_000, 60_000, 0, 45_500), Tolerance: pick(d, 0.1, 0.1, 0.05),
		Initialization: pick[int64](d, 300_000, 120_000), Readiness: pick[int64](d, 30_000, 10_000), NoZero: d.often(15),
	}
	c := &cluster{draw: d, h: h, nextPod: 1, now: firstLook}
	c.drawSpec()
	c.w = &world{start: time.Now().Add(-ms(firstLook))}
	if c.usesPods {
		c.w.Templates = []template{d.template(false)}
	}
	c.replicas = int32(d.between(1, int64(min(h.Spec.MaxReplicas, 10))))
	c.wanted = float64(c.replicas)
	c.driver = newDriver(h.Flags, c.w)
	defer c.driver.cancel()
	c.hpa = &autoscalingv2.HorizontalPodAutoscaler{ObjectMeta: metav1.ObjectMeta{Name: "web", Namespace: namespace}}
	c.setSpec()
	c.driver.register("web", "unset=")
	var before []condition
	// Most are short, so that there are many; some go on for as long as windows and periods do.
	looks := 2 + d.IntN(2)
	if d.often(15) {
		looks = 6 + d.IntN(4)
	}
	for range looks {
		before = c.look(before)
		c.pass(pick[int64](d, 15_000, 15_000, 15_000, 15_000, 15_000, 15_250, 14_999, 1_000, 30_000, 45_000, 60_000, 299_999, 300_000, 301_000))
	}
	return h
}

// setSpec puts the spec with its defaults into the autoscaler, as it is in the store.
func (c *cluster) setSpec() {
	c.hpa.Spec = autoscalingv2.HorizontalPodAutoscalerSpec{}
	c.h.Spec.DeepCopyInto(&c.hpa.Spec)
	if c.least != nil {
		c.hpa.Spec.MinReplicas = c.least
	}
	defaults.SetDefaults_HorizontalPodAutoscaler(c.hpa)
}

func (c *cluster) pass(span int64) {
	time.Sleep(ms(span))
	c.now += span
}

// look sets the world, lets the controller look, and notes what it did.
func (c *cluster) look(before []condition) []condition {
	l := &look{At: c.now, SpecReplicas: c.replicas}
	if c.replicas == 0 && c.often(30) {
		l.MinReplicas = ptr(int32(c.between(0, 2)))
		c.least = l.MinReplicas
		c.setSpec()
	}
	c.move(l)
	w := *c.w
	w.Pods, w.Usage = slices.Clone(w.Pods), slices.Clone(w.Usage)
	l.world = &w
	if len(c.h.Looks) > 0 {
		// They stay as they were.
		w.Templates = nil
	}
	scale := &autoscalingv1.Scale{}
	scale.Spec.Replicas, scale.Status.Replicas, scale.Status.Selector = l.SpecReplicas, l.StatusReplicas, selector
	if l.NoSelector {
		scale.Status.Selector = ""
	}
	c.w.scale, c.w.scaleError, c.w.updateError = scale, l.ScaleError, l.UpdateError
	c.w.written, c.w.status, c.w.events = nil, nil, nil
	for _, other := range l.Others {
		c.driver.register(other, selector)
		defer c.driver.unregister(other)
	}
	err := reconcile(c.driver.controller, c.driver.ctx, c.hpa, namespace+"/web")
	if c.w.status != nil {
		c.hpa = c.w.status
		// What is written comes back with the spec as it is in the store.
		c.setSpec()
	}
	after := c.note(l, err, before)
	c.h.Looks = append(c.h.Looks, l)
	c.raised = c.w.written != nil && *c.w.written > c.replicas
	if c.w.written != nil {
		c.replicas = *c.w.written
	}
	return after
}

// note writes down what the controller did.
func (c *cluster) note(l *look, err error, before []condition) []condition {
	status := c.hpa.Status
	l.Want = outcome{ScaleTo: c.w.written, Current: status.CurrentReplicas, Desired: status.DesiredReplicas}
	if err != nil {
		l.Want.Error = inOrder(err.Error())
	}
	for _, event := range c.w.events {
		l.Want.Events = append(l.Want.Events, []string{event[0], event[1], inOrder(event[2])})
	}
	if status.LastScaleTime != nil {
		l.Want.LastScale = ptr(status.LastScaleTime.Sub(c.w.start).Milliseconds())
	}
	var after []condition
	for _, has := range status.Conditions {
		now := condition{string(has.Type), string(has.Status), has.Reason, inOrder(has.Message), has.LastTransitionTime.Sub(c.w.start).Milliseconds()}
		after = append(after, now)
		if !slices.Contains(before, now) {
			l.Want.Conditions = append(l.Want.Conditions, now)
		}
	}
	for _, had := range before {
		if !slices.ContainsFunc(after, func(has condition) bool { return has.kind == had.kind }) {
			l.Want.Conditions = append(l.Want.Conditions, condition{kind: had.kind})
		}
	}
	for _, metric := range status.CurrentMetrics {
		l.Want.Metrics = append(l.Want.Metrics, valueOf(metric))
	}
	return after
}

// inOrder sorts the two autoscalers that share pods: upstream's order is that of a map.
func inOrder(message string) string {
	return strings.ReplaceAll(message, "[default/web default/also]", "[default/also default/web]")
}

func valueOf(metric autoscalingv2.MetricStatus) value {
	var current autoscalingv2.MetricValueStatus
	switch {
	case metric.Resource != nil:
		current = metric.Resource.Current
	case metric.ContainerResource != nil:
		current = metric.ContainerResource.Current
	case metric.Pods != nil:
		current = metric.Pods.Current
	case metric.Object != nil:
		current = metric.Object.Current
	case metric.External != nil:
		current = metric.External.Current
	}
	milli := func(q *resource.Quantity) *int64 {
		if q == nil {
			return nil
		}
		return ptr(q.MilliValue())
	}
	return value{current.AverageUtilization, milli(current.AverageValue), milli(current.Value)}
}

// move lets time's work be done on the target: pods come and go, load changes, things fail.
func (c *cluster) move(l *look) {
	if c.often(8) {
		c.replicas = int32(c.between(0, int64(c.h.Spec.MaxReplicas)+2))
		if c.often(30) {
			c.replicas = 0
		}
	}
	if c.raised && c.often(12) {
		// Somebody takes away what the autoscaler has just added, so that it has no right to add more.
		c.replicas = c.replicas/4 + 1
	}
	l.SpecReplicas = c.replicas
	l.StatusReplicas = c.replicas
	if c.often(15) {
		l.StatusReplicas = max(0, c.replicas+int32(c.between(-2, 2)))
	}
	most := float64(c.h.Spec.MaxReplicas)
	switch c.IntN(6) {
	case 0:
		c.wanted = c.Float64() * most * 1.3
	case 1, 2:
		c.wanted *= 0.5 + c.Float64()
	case 3:
		c.wanted *= 0.95 + 0.1*c.Float64()
	}
	if c.often(10) {
		c.wanted = pick(c.draw, 0, 0, 1, most, most*3)
	}
	if least := c.hpa.Spec.MinReplicas; *least == 0 && c.often(35) {
		c.wanted = 0
	}
	c.fail(l)
	if c.usesPods {
		c.movePods()
	}
	c.w.Usage, c.w.UsageError, c.w.Samples = nil, "", map[string]samples{}
	for _, metric := range c.hpa.Spec.Metrics {
		c.measureFor(metric, max(1, l.StatusReplicas))
	}
}

func (c *cluster) fail(l *look) {
	switch {
	case c.often(2):
		l.ScaleError = `deployments.apps "web" not found`
	case c.often(1):
		l.NoSelector = true
	case c.often(2):
		l.UpdateError = "etcdserver: request timed out"
	case c.often(2) && c.usesPods:
		l.Others = []string{"also"}
	}
}

// movePods makes as many pods as there are to be.
func (c *cluster) movePods() {
	for len(c.w.Pods) < int(c.replicas) {
		p := c.pod(c.nextPod*2, 1, c.now, c.h.Flags)
		if c.now > firstLook && c.often(70) {
			p.Phase, p.Deleted, p.Started, p.Ready, p.Since = "", false, ptr(c.now-c.between(0, 10_000)), "False", c.now
		}
		c.w.Pods = append(c.w.Pods, p)
		c.nextPod++
	}
	c.w.Pods = c.w.Pods[:c.replicas]
	for i, p := range c.w.Pods {
		if p.Ready == "False" && c.often(60) {
			c.w.Pods[i].Ready, c.w.Pods[i].Since = "True", c.now-c.between(0, 5_000)
		}
	}
}

// measureFor draws what is known of a metric, so that it asks for about as many replicas as are wanted.
func (c *cluster) measureFor(metric autoscalingv2.MetricSpec, replicas int32) {
	share := c.wanted / float64(max(1, replicas))
	failing := c.often(5)
	refused := samples{Error: "the server could not find the requested resource"}
	switch metric.Type {
	case autoscalingv2.ResourceMetricSourceType, autoscalingv2.ContainerResourceMetricSourceType:
		if failing {
			c.w.UsageError = "the server is currently unable to handle the request (get pods.metrics.k8s.io)"
			return
		}
		target := autoscalingv2.MetricTarget{}
		if metric.Resource != nil {
			target = metric.Resource.Target
		} else {
			target = metric.ContainerResource.Target
		}
		of := 0.5
		if target.AverageUtilization != nil {
			of = float64(*target.AverageUtilization) / 100
		}
		c.measure(c.w, c.now, of*share, 92, c.hasCPU, c.hasMemory)
	case autoscalingv2.PodsMetricSourceType:
		mean := float64(metric.Pods.Target.AverageValue.MilliValue()) * share
		c.w.Samples[metric.Pods.Metric.Name] = samples{Pods: c.valuesOf(c.w.Pods, mean, 92)}
		if failing {
			c.w.Samples[metric.Pods.Metric.Name] = refused
		}
	case autoscalingv2.ObjectMetricSourceType:
		value := c.total(metric.Object.Target, share)
		c.w.Samples[metric.Object.Metric.Name] = samples{Object: &value}
		if failing {
			c.w.Samples[metric.Object.Metric.Name] = refused
		}
	case autoscalingv2.ExternalMetricSourceType:
		value := c.total(metric.External.Target, share)
		answer := samples{Series: []int64{value - value/3, value / 3}}
		if failing {
			answer = pick(c.draw, refused, samples{})
		}
		c.w.Samples[metric.External.Metric.Name] = answer
	}
}

// total is a value of the whole that asks for as many replicas as are wanted.
func (c *cluster) total(target autoscalingv2.MetricTarget, share float64) int64 {
	if target.AverageValue != nil {
		return c.near(float64(target.AverageValue.MilliValue()) * c.wanted)
	}
	return c.near(float64(target.Value.MilliValue()) * share)
}

// near has three digits: the files are kept.
func (c *cluster) near(value float64) int64 {
	value *= 0.98 + 0.04*c.Float64()
	unit := math.Pow10(max(0, int(math.Log10(max(value, 1)))-2))
	return int64(value/unit) * int64(unit)
}
