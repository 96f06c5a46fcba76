// Writes how KEDA takes the triggers of a ScaledJob together, for tests/it/keda_vectors.rs.
package main

import (
	"math/rand/v2"
	"strconv"

	v2 "k8s.io/api/autoscaling/v2"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/metrics/pkg/apis/external_metrics"

	"github.com/kedacore/keda/v2/pkg/scaling/scaledjob"
	"wavetank.dev/conformance/vectors"
)

func main() {
	vectors.Main("keda", "v2.21.0", []vectors.Sort{{Kind: "demands", Cases: 1500, Case: demandCase}})
}

type triggerLine struct {
	MetricMilli int64 `json:"metric"`
	TargetMilli int64 `json:"target"`
	Active      bool  `json:"active,omitempty"`
	// What it asks for:
	Length float64 `json:"length"`
	Jobs   float64 `json:"jobs"`
}

type demandLine struct {
	Calculation string        `json:"calculation"`
	Min         int64         `json:"min,omitempty"`
	Max         int64         `json:"max"`
	Triggers    []triggerLine `json:"triggers"`
	// Together:
	IsActive bool  `json:"isActive,omitempty"`
	Length   int64 `json:"length"`
	Jobs     int64 `json:"jobs"`
}

func demandCase(random *rand.Rand) any {
	line := demandLine{
		Calculation: vectors.OneOf(random, "", "max", "min", "avg", "sum", "median"),
		Min:         vectors.OneOf[int64](random, 0, 0, 0, 2),
		Max:         vectors.OneOf[int64](random, 100, 5, int64(vectors.Between(random, 1, 300))),
	}
	var metrics []scaledjob.ScalerMetrics
	for number := range vectors.Between(random, 0, 4) {
		trigger := triggerLine{
			MetricMilli: int64(vectors.Value(random, 300) * 1000),
			TargetMilli: vectors.OneOf(random, 1000, 5000, 0, int64(vectors.Between(random, 1, 20_000))),
			Active:      vectors.Chance(random, 0.7),
		}
		name := "s" + strconv.Itoa(number) + "-queue"
		specs := []v2.MetricSpec{{External: &v2.ExternalMetricSource{
			Metric: v2.MetricIdentifier{Name: name},
			Target: v2.MetricTarget{AverageValue: resource.NewMilliQuantity(trigger.TargetMilli, resource.DecimalSI)},
		}}}
		values := []external_metrics.ExternalMetricValue{{
			MetricName: name, Value: *resource.NewMilliQuantity(trigger.MetricMilli, resource.DecimalSI),
		}}
		trigger.Length, trigger.Jobs, _ = scaledjob.CalculateQueueLengthAndMaxValue(values, specs, line.Max)
		metrics = append(metrics, scaledjob.ScalerMetrics{QueueLength: trigger.Length, MaxValue: trigger.Jobs, IsActive: trigger.Active})
		line.Triggers = append(line.Triggers, trigger)
		vectors.Hit("demand: bounded by the most jobs", trigger.Jobs == float64(line.Max))
		vectors.Hit("demand: no target", trigger.TargetMilli == 0)
	}
	line.IsActive, line.Length, line.Jobs, _ = scaledjob.IsScaledJobActive(metrics, line.Calculation, line.Min, line.Max)
	vectors.Hit("demand: "+line.Calculation+" active", line.IsActive)
	vectors.Hit("demand: "+line.Calculation+" not active", !line.IsActive)
	return line
}
