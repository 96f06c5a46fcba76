package main

import (
	"math/rand/v2"
	"reflect"
	"time"
	"unsafe"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric/noop"
	"go.uber.org/zap"
	"k8s.io/apimachinery/pkg/types"

	"knative.dev/serving/pkg/autoscaler/metrics"
	"knative.dev/serving/pkg/autoscaler/scaling"

	"wavetank.dev/conformance/vectors"
)

// The autoscaler's clock begins here; pods and windows count from it.
var begin = time.Unix(1_700_000_000, 0)

type pods struct{ ready int }

func (p *pods) ReadyCount() (int, error)    { return p.ready, nil }
func (p *pods) NotReadyCount() (int, error) { return 0, nil }

// The windows' averages as the case has them.
type averages struct{ stable, panic float64 }

func (a *averages) StableAndPanicConcurrency(types.NamespacedName, time.Time) (float64, float64, error) {
	return a.stable, a.panic, nil
}

func (a *averages) StableAndPanicRPS(types.NamespacedName, time.Time) (float64, float64, error) {
	return a.stable, a.panic, nil
}

func newScaler(of metrics.MetricClient, counter *pods, spec *scaling.DeciderSpec) scaling.UniScaler {
	scaler := scaling.New(attribute.NewSet(), noop.NewMeterProvider(), "namespace", "revision", of, counter, spec)
	// An autoscaler that is made while there are pods begins to panic at the clock's instant; here that is `begin`.
	since := reflect.ValueOf(scaler).Elem().FieldByName("panicTime")
	instant := (*time.Time)(unsafe.Pointer(since.UnsafeAddr()))
	if !instant.IsZero() {
		*instant = begin
	}
	return scaler
}

func inPanic(scaler scaling.UniScaler) bool {
	since := reflect.ValueOf(scaler).Elem().FieldByName("panicTime")
	return !(*time.Time)(unsafe.Pointer(since.UnsafeAddr())).IsZero()
}

type specLine struct {
	TargetValue         float64 `json:"target"`
	TotalValue          float64 `json:"total"`
	TargetBurstCapacity float64 `json:"burst"`
	PanicThreshold      float64 `json:"panicThreshold"`
	StableWindowS       int     `json:"stableWindow"`
	ScaleDownDelayS     int     `json:"scaleDownDelay,omitempty"`
	MaxScaleUpRate      float64 `json:"upRate"`
	MaxScaleDownRate    float64 `json:"downRate"`
	ActivationScale     int32   `json:"activationScale,omitempty"`
	Unreachable         bool    `json:"unreachable,omitempty"`
}

func (s specLine) spec() *scaling.DeciderSpec {
	return &scaling.DeciderSpec{
		MaxScaleUpRate:      s.MaxScaleUpRate,
		MaxScaleDownRate:    s.MaxScaleDownRate,
		ScalingMetric:       "concurrency",
		TargetValue:         s.TargetValue,
		TotalValue:          s.TotalValue,
		TargetBurstCapacity: s.TargetBurstCapacity,
		ActivatorCapacity:   100,
		PanicThreshold:      s.PanicThreshold,
		StableWindow:        time.Duration(s.StableWindowS) * time.Second,
		ScaleDownDelay:      time.Duration(s.ScaleDownDelayS) * time.Second,
		InitialScale:        1,
		Reachable:           !s.Unreachable,
		ActivationScale:     s.ActivationScale,
	}
}

func randomSpec(random *rand.Rand) specLine {
	total := vectors.OneOf(random, 1.0, 10, 100, 200, vectors.Value(random, 50)+0.5)
	return specLine{
		TargetValue:         max(0.01, total*vectors.OneOf(random, 0.7, 1, 0.5, random.Float64())),
		TotalValue:          total,
		TargetBurstCapacity: vectors.OneOf(random, -1, 0, 211, vectors.Value(random, 300)),
		PanicThreshold:      vectors.OneOf(random, 2, 1.1, 10, 1.1+2*random.Float64()),
		StableWindowS:       vectors.OneOf(random, 60, 6, vectors.Between(random, 6, 120)),
		ScaleDownDelayS:     vectors.OneOf(random, 0, 0, vectors.Between(random, 1, 90)),
		MaxScaleUpRate:      vectors.OneOf(random, 1000, 10, 2, 1.1),
		MaxScaleDownRate:    vectors.OneOf(random, 2.0, 10, 1.1),
		ActivationScale:     vectors.OneOf[int32](random, 0, 0, 2, 5),
		Unreachable:         vectors.Chance(random, 0.2),
	}
}

type decision struct {
	AtMs   int64     `json:"at"`
	Ready  int       `json:"ready"`
	Stable float64   `json:"stable"`
	Panic  float64   `json:"panic"`
	Update *specLine `json:"update,omitempty"`
	// What it says:
	Desired int32 `json:"desired"`
	Excess  int32 `json:"excess"`
	Panics  bool  `json:"panics,omitempty"`
}

type decisionCaseLine struct {
	Spec  specLine   `json:"spec"`
	Ready int        `json:"ready"`
	Steps []decision `json:"steps"`
}

func decisionCase(random *rand.Rand) any {
	line := decisionCaseLine{Spec: randomSpec(random), Ready: vectors.OneOf(random, 0, 1, vectors.Between(random, 0, 30))}
	of, counter := &averages{}, &pods{line.Ready}
	scaler := newScaler(of, counter, line.Spec.spec())
	spec, wasInPanic := line.Spec, inPanic(scaler)
	var at int64
	load := vectors.Value(random, 200)
	for range vectors.Between(random, 4, 16) {
		at += vectors.OneOf[int64](random, 2000, 2000, 2000, int64(vectors.Between(random, 0, 5000)), 10_000, 61_000)
		step := decision{AtMs: at}
		if vectors.Chance(random, 0.1) {
			changed := randomSpec(random)
			changed.Unreachable = vectors.Chance(random, 0.4)
			step.Update, spec = &changed, changed
			scaler.Update(changed.spec())
		}
		load = vectors.OneOf(random, load, load, load*2, load/2, vectors.Value(random, 400), 0)
		step.Stable, step.Panic = load*vectors.OneOf(random, 1, 0.9, random.Float64()), load
		step.Ready = vectors.Between(random, 0, int(load/spec.TargetValue)%60+2)
		of.stable, of.panic, counter.ready = step.Stable, step.Panic, step.Ready
		said := scaler.Scale(zap.NewNop().Sugar(), begin.Add(time.Duration(at)*time.Millisecond))
		step.Desired, step.Excess, step.Panics = said.DesiredPodCount, said.ExcessBurstCapacity, inPanic(scaler)
		wanted := int32(min(1e9, step.Stable/spec.TargetValue+1))
		vectors.Hit("decision: panic begins", step.Panics && !wasInPanic)
		vectors.Hit("decision: panic ends", !step.Panics && wasInPanic)
		vectors.Hit("decision: stays in panic", step.Panics && wasInPanic)
		vectors.Hit("decision: fewer than the load wants", said.DesiredPodCount+1 < wanted)
		vectors.Hit("decision: more than the load wants", said.DesiredPodCount > wanted)
		vectors.Hit("decision: excess below zero", said.ExcessBurstCapacity < 0)
		vectors.Hit("decision: settings change", step.Update != nil)
		vectors.Hit("decision: no pods", said.DesiredPodCount == 0)
		wasInPanic = step.Panics
		line.Steps = append(line.Steps, step)
	}
	return line
}
