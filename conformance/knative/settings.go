package main

import (
	"math/rand/v2"
	"strconv"
	"time"

	"knative.dev/serving/pkg/apis/autoscaling"
	autoscalingv1alpha1 "knative.dev/serving/pkg/apis/autoscaling/v1alpha1"
	asconfig "knative.dev/serving/pkg/autoscaler/config"
	"knative.dev/serving/pkg/autoscaler/config/autoscalerconfig"
	kparesources "knative.dev/serving/pkg/reconciler/autoscaling/kpa/resources"
	aresources "knative.dev/serving/pkg/reconciler/autoscaling/resources"

	"wavetank.dev/conformance/vectors"
)

type settingsLine struct {
	Config       map[string]string `json:"config,omitempty"`
	Annotations  map[string]string `json:"annotations,omitempty"`
	Concurrency  int64             `json:"concurrency,omitempty"`
	Reachability string            `json:"reachability,omitempty"`
	// What upstream says of it:
	BadConfig      bool          `json:"badConfig,omitempty"`
	BadAnnotations bool          `json:"badAnnotations,omitempty"`
	Resolved       *resolvedLine `json:"resolved,omitempty"`
}

type resolvedLine struct {
	specLine
	Rps          bool    `json:"rps,omitempty"`
	Weighted     bool    `json:"weighted,omitempty"`
	PanicWindowS float64 `json:"panicWindow"`
	InitialScale int32   `json:"initialScale"`
	MinScale     int32   `json:"minScale,omitempty"`
	MaxScale     int32   `json:"maxScale,omitempty"`
	RetentionS   float64 `json:"retention,omitempty"`
	GraceS       float64 `json:"grace"`
}

func number(value float64) string { return strconv.FormatFloat(value, 'g', -1, 64) }

// A key and texts for it, good ones more often than bad ones.
type texts struct {
	key  string
	good func(*rand.Rand) string
	bad  []string
}

func ofRange(lowest, highest int) func(*rand.Rand) string {
	return func(random *rand.Rand) string { return strconv.Itoa(vectors.Between(random, lowest, highest)) }
}

func ofReals(lowest, highest float64) func(*rand.Rand) string {
	return func(random *rand.Rand) string { return number(lowest + random.Float64()*(highest-lowest)) }
}

func ofSeconds(lowest, highest int) func(*rand.Rand) string {
	return func(random *rand.Rand) string {
		return (time.Duration(vectors.Between(random, lowest, highest)) * time.Second).String()
	}
}

func ofTexts(of ...string) func(*rand.Rand) string {
	return func(random *rand.Rand) string { return vectors.OneOf(random, of...) }
}

var configTexts = []texts{
	{"enable-scale-to-zero", ofTexts("true", "false", "True"), []string{"no"}},
	{"allow-zero-initial-scale", ofTexts("true", "false"), nil},
	{"max-scale-up-rate", ofReals(1.1, 50), []string{"1", "0.5", "fast"}},
	{"max-scale-down-rate", ofReals(1.1, 50), []string{"1", "-2"}},
	{"container-concurrency-target-percentage", ofTexts("70", "0.5", "1", "100", "33.3"), []string{"101", "0", "-1"}},
	{"container-concurrency-target-default", ofReals(0.5, 200), []string{"0.001", "x"}},
	{"requests-per-second-target-default", ofReals(1, 300), []string{"0.001"}},
	{"target-burst-capacity", ofTexts("0", "-1", "211", "70.5"), []string{"-2"}},
	{"panic-window-percentage", ofReals(1, 100), []string{"0.5", "101"}},
	{"activator-capacity", ofReals(1, 200), []string{"0.5"}},
	{"panic-threshold-percentage", ofReals(110, 1000), nil},
	{"initial-scale", ofRange(1, 5), []string{"0", "-1"}},
	{"min-scale", ofRange(0, 3), []string{"-1", "25"}},
	{"max-scale", ofRange(3, 20), []string{"-1", "1"}},
	{"max-scale-limit", ofRange(5, 30), []string{"-1"}},
	{"stable-window", ofSeconds(6, 3600), []string{"5s", "2h", "6.5s", "week"}},
	{"scale-down-delay", ofSeconds(0, 4000), []string{"1.5s", "-3s", "soon"}},
	{"scale-to-zero-grace-period", ofSeconds(1, 60), []string{"0s"}},
	{"scale-to-zero-pod-retention-period", ofSeconds(0, 60), []string{"-1s"}},
}

var annotationTexts = []texts{
	{"metric", ofTexts("concurrency", "rps"), []string{"cpu"}},
	{"target", ofReals(0.01, 300), []string{"0.001", "much"}},
	{"target-utilization-percentage", ofReals(1, 100), []string{"0.5", "101", "most"}},
	{"targetUtilizationPercentage", ofReals(1, 100), nil},
	{"target-burst-capacity", ofTexts("0", "-1", "12.25", "500"), []string{"-3"}},
	{"panic-window-percentage", ofReals(1, 100), []string{"0.2", "wide"}},
	{"panic-threshold-percentage", ofReals(110, 1000), []string{"100", "1001", "x"}},
	{"window", ofSeconds(6, 3600), []string{"1s", "7200s", "6.1s", "long"}},
	{"scale-down-delay", ofSeconds(0, 3600), []string{"2h", "0.5s", "-1s", "late"}},
	{"scaleDownDelay", ofSeconds(0, 3600), nil},
	{"scale-to-zero-pod-retention-period", ofSeconds(0, 3600), []string{"2h", "-5s", "never"}},
	{"initial-scale", ofRange(1, 9), []string{"0", "-2", "one"}},
	{"activation-scale", ofRange(2, 4), []string{"1", "50", "few"}},
	{"min-scale", ofRange(0, 4), []string{"-1", "30", "9999999999", "none"}},
	{"max-scale", ofTexts("0", "5", "7", "12", "20"), []string{"-1", "1", "99999999999"}},
	{"maxScale", ofRange(5, 20), nil},
	{"metric-aggregation-algorithm", ofTexts("linear", "weighted-exponential", "weightedExponential"), []string{"mean"}},
}

func draw(random *rand.Rand, from []texts, prefix string) map[string]string {
	drawn, bad := map[string]string{}, vectors.Chance(random, 0.3)
	for _, text := range from {
		if !vectors.Chance(random, 0.3) {
			continue
		}
		drawn[prefix+text.key] = text.good(random)
		if bad && len(text.bad) > 0 && vectors.Chance(random, 0.3) {
			drawn[prefix+text.key] = vectors.OneOf(random, text.bad...)
		}
	}
	return drawn
}

// An autoscaler of pods with these settings, and the cluster's; none if upstream refuses them.
func settings(line *settingsLine) (*autoscalingv1alpha1.PodAutoscaler, *autoscalerconfig.Config) {
	config, err := asconfig.NewConfigFromMap(line.Config)
	if line.BadConfig = err != nil; line.BadConfig {
		return nil, nil
	}
	pa := &autoscalingv1alpha1.PodAutoscaler{}
	pa.Namespace, pa.Name, pa.Annotations = "namespace", "revision", line.Annotations
	pa.Spec.ContainerConcurrency = line.Concurrency
	pa.Spec.Reachability = autoscalingv1alpha1.ReachabilityType(line.Reachability)
	// The class decides whether the webhook looks at the algorithm.
	checked := map[string]string{autoscaling.ClassAnnotationKey: autoscaling.KPA}
	for key, text := range line.Annotations {
		checked[key] = text
	}
	if line.BadAnnotations = autoscaling.ValidateAnnotations(nil, config, checked) != nil; line.BadAnnotations {
		return nil, nil
	}
	return pa, config
}

func settingsCase(random *rand.Rand) any {
	line := settingsLine{
		Config:       draw(random, configTexts, ""),
		Annotations:  draw(random, annotationTexts, autoscaling.GroupName+"/"),
		Concurrency:  vectors.OneOf[int64](random, 0, 0, 1, 10, 1000),
		Reachability: vectors.OneOf(random, "", "Reachable", "Unreachable"),
	}
	pa, config := settings(&line)
	vectors.Hit("settings: config refused", line.BadConfig)
	vectors.Hit("settings: annotations refused", line.BadAnnotations)
	vectors.Hit("settings: resolved", pa != nil)
	if pa == nil {
		return line
	}
	spec := kparesources.MakeDecider(pa, config).Spec
	metric := aresources.MakeMetric(pa, "service", config)
	least, most := pa.ScaleBounds(config)
	retention := config.ScaleToZeroPodRetentionPeriod
	if own, ok := pa.ScaleToZeroPodRetention(); ok {
		retention = own
	}
	line.Resolved = &resolvedLine{
		specLine: specLine{
			TargetValue: spec.TargetValue, TotalValue: spec.TotalValue, TargetBurstCapacity: spec.TargetBurstCapacity,
			PanicThreshold: spec.PanicThreshold, StableWindowS: int(spec.StableWindow / time.Second),
			ScaleDownDelayS: int(spec.ScaleDownDelay / time.Second), MaxScaleUpRate: spec.MaxScaleUpRate,
			MaxScaleDownRate: spec.MaxScaleDownRate, ActivationScale: spec.ActivationScale, Unreachable: !spec.Reachable,
		},
		Rps:          spec.ScalingMetric == autoscaling.RPS,
		Weighted:     metric.AggregationAlgorithm() == autoscaling.MetricAggregationAlgorithmWeightedExponential,
		PanicWindowS: metric.Spec.PanicWindow.Seconds(),
		InitialScale: spec.InitialScale,
		MinScale:     least,
		MaxScale:     most,
		RetentionS:   retention.Seconds(),
		GraceS:       config.ScaleToZeroGracePeriod.Seconds(),
	}
	vectors.Hit("settings: unreachable with a minimum", least == 0 && line.Annotations["autoscaling.knative.dev/min-scale"] > "0")
	return line
}
