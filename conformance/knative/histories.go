package main

import (
	"math/rand/v2"
	"time"

	"go.uber.org/zap"
	"k8s.io/apimachinery/pkg/types"

	"knative.dev/serving/pkg/apis/autoscaling"
	autoscalingv1alpha1 "knative.dev/serving/pkg/apis/autoscaling/v1alpha1"
	"knative.dev/serving/pkg/autoscaler/metrics"
	kparesources "knative.dev/serving/pkg/reconciler/autoscaling/kpa/resources"
	aresources "knative.dev/serving/pkg/reconciler/autoscaling/resources"

	"wavetank.dev/conformance/vectors"
)

// A second of a history: what was reported, and every two seconds what the autoscaler says.
type second struct {
	AtMs    int64      `json:"at"`
	Ready   int        `json:"ready,omitempty"`
	Reports []statLine `json:"reports,omitempty"`
	// Every two seconds. No number: there is no measurement.
	Asked   bool     `json:"asked,omitempty"`
	Stable  *float64 `json:"stable,omitempty"`
	Panic   *float64 `json:"panic,omitempty"`
	Desired *int32   `json:"desired,omitempty"`
	Excess  int32    `json:"excess,omitempty"`
}

type statLine struct {
	Concurrency        float64 `json:"c,omitempty"`
	ProxiedConcurrency float64 `json:"pc,omitempty"`
	Requests           float64 `json:"r,omitempty"`
	ProxiedRequests    float64 `json:"pr,omitempty"`
}

type historyLine struct {
	Settings settingsLine `json:"settings"`
	Ready    int          `json:"ready,omitempty"`
	Seconds  []second     `json:"seconds"`
}

func historySettings(random *rand.Rand) settingsLine {
	const prefix = autoscaling.GroupName + "/"
	annotations := map[string]string{prefix + "window": vectors.OneOf(random, "6s", "10s", "20s", "60s")}
	for key, value := range map[string]string{
		"metric":                       "rps",
		"metric-aggregation-algorithm": "weighted-exponential",
		"target":                       vectors.OneOf(random, "1", "10", "50"),
		"target-burst-capacity":        vectors.OneOf(random, "-1", "0", "20"),
		"scale-down-delay":             vectors.OneOf(random, "4s", "15s"),
		"activation-scale":             "3",
		"panic-window-percentage":      vectors.OneOf(random, "20", "50"),
	} {
		annotations[prefix+key] = value
	}
	for _, key := range vectors.SortedKeys(annotations) {
		if vectors.Chance(random, 0.6) {
			delete(annotations, key)
		}
	}
	reachability := vectors.OneOf(random, "", "Reachable", "Unreachable")
	return settingsLine{Annotations: annotations, Concurrency: vectors.OneOf[int64](random, 0, 1, 10), Reachability: reachability}
}

func historyCase(random *rand.Rand) any {
	line := historyLine{Settings: historySettings(random), Ready: vectors.OneOf(random, 0, 1, vectors.Between(random, 0, 6))}
	pa, config := settings(&line.Settings)
	if pa == nil {
		panic("the settings of histories are good")
	}
	spec := kparesources.MakeDecider(pa, config).Spec
	service := "service"
	if spec.TargetBurstCapacity == -1 {
		service = ""
	}
	// Nothing is scraped: the case brings what pods report.
	nothing := func(*autoscalingv1alpha1.Metric, *zap.SugaredLogger) (metrics.StatsScraper, error) { return nil, nil }
	collector := metrics.NewMetricCollector(nothing, zap.NewNop().Sugar())
	if err := collector.CreateOrUpdate(aresources.MakeMetric(pa, service, config)); err != nil {
		panic(err)
	}
	defer collector.Delete(pa.Namespace, pa.Name)
	key := types.NamespacedName{Namespace: pa.Namespace, Name: pa.Name}
	counter := &pods{line.Ready}
	scaler := newScaler(collector, counter, &spec)
	load := vectors.Value(random, 60)
	var skipped int64
	for number := range int64(vectors.Between(random, 10, 60)) {
		if vectors.Chance(random, 0.03) {
			skipped += int64(vectors.Between(random, 3, 30)) * 1000
		}
		at := skipped + number*1000 + int64(random.IntN(900))
		now := begin.Add(time.Duration(at) * time.Millisecond)
		load = vectors.OneOf(random, load, load, load, load, vectors.Value(random, 60), load*3, load/2, 0)
		if vectors.Chance(random, 0.7) {
			load = float64(int(8*load)) / 8
		}
		step := second{AtMs: at, Ready: counter.ready}
		if vectors.Chance(random, 0.85) {
			step.Reports = reports(random, load)
			for _, report := range step.Reports {
				collector.Record(key, now, metrics.Stat{
					AverageConcurrentRequests:        report.Concurrency,
					AverageProxiedConcurrentRequests: report.ProxiedConcurrency,
					RequestCount:                     report.Requests,
					ProxiedRequestCount:              report.ProxiedRequests,
				})
			}
		}
		if number%2 == 1 {
			said := scaler.Scale(zap.NewNop().Sugar(), now)
			ask(&step, collector, key, spec.ScalingMetric, said.ScaleValid, now)
			if said.ScaleValid {
				step.Desired, step.Excess = &said.DesiredPodCount, said.ExcessBurstCapacity
				counter.ready = max(0, min(40, int(said.DesiredPodCount)-random.IntN(2)))
			}
			vectors.Hit("history: no measurement", !said.ScaleValid)
			vectors.Hit("history: decision", said.ScaleValid)
			vectors.Hit("history: decision in panic", said.ScaleValid && inPanic(scaler))
		}
		line.Seconds = append(line.Seconds, step)
	}
	return line
}

func ask(step *second, of metrics.MetricClient, key types.NamespacedName, metric string, valid bool, now time.Time) {
	step.Asked = true
	stable, panicking, err := of.StableAndPanicConcurrency(key, now)
	if metric == autoscaling.RPS {
		stable, panicking, err = of.StableAndPanicRPS(key, now)
	}
	if valid != (err == nil) {
		panic("a decision needs a measurement")
	}
	if err == nil {
		step.Stable, step.Panic = &stable, &panicking
	}
}

// What pods and an activator report of a load; what the activator passed on is reported by the pods as well.
func reports(random *rand.Rand, load float64) []statLine {
	proxied := load * vectors.OneOf(random, 0, 0, 1, 0.25, random.Float64())
	made := []statLine{{load, proxied, load * 2, proxied * 2}}
	if proxied > 0 {
		made = append(made, statLine{proxied, 0, proxied * 2, 0})
	}
	return made
}
