package main

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"

	"go.uber.org/zap"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	netv1alpha1 "knative.dev/networking/pkg/apis/networking/v1alpha1"
	"knative.dev/pkg/apis"
	duckv1 "knative.dev/pkg/apis/duck/v1"
	"knative.dev/pkg/logging"

	"knative.dev/serving/pkg/apis/autoscaling"
	autoscalingv1alpha1 "knative.dev/serving/pkg/apis/autoscaling/v1alpha1"
	asconfig "knative.dev/serving/pkg/autoscaler/config"
	"knative.dev/serving/pkg/deployment"
	areconfig "knative.dev/serving/pkg/reconciler/autoscaling/config"

	"wavetank.dev/conformance/vectors"
)

// Upstream reads the clock. Times are whole seconds and half a second more, so that no comparison is near.
const halfSecond = 500 * time.Millisecond

type zeroLine struct {
	Activity     string `json:"activity"`
	ForMs        int64  `json:"for"`
	ProxiedForMs int64  `json:"proxiedFor,omitempty"`
	Serves       bool   `json:"serves,omitempty"`
	Behind       bool   `json:"behind,omitempty"`
	Desired      int32  `json:"desired"`
	Settings     struct {
		Config       map[string]string `json:"config"`
		Annotations  map[string]string `json:"annotations,omitempty"`
		Reachability string            `json:"reachability,omitempty"`
		DeadlineS    int               `json:"deadline"`
	} `json:"settings"`
	// What upstream says:
	Want    int32 `json:"want"`
	Applies bool  `json:"applies,omitempty"`
	// In how many seconds it looks again, rounded up; nothing: it does not.
	AgainS *int64 `json:"again,omitempty"`
	Probes bool   `json:"probes,omitempty"`
	// Whether no pod is scraped.
	ScrapesNothing bool `json:"scrapesNothing,omitempty"`
}

type countingProber struct{ count int }

func (p *countingProber) Offer(context.Context, string, any, time.Duration, time.Duration, ...any) bool {
	p.count++
	return true
}

func conditions(activity, reason string, ago time.Duration) duckv1.Conditions {
	since := apis.VolatileTime{Inner: metav1.NewTime(time.Now().Add(-ago))}
	return duckv1.Conditions{{
		Type: autoscalingv1alpha1.PodAutoscalerConditionActive, Status: corev1.ConditionStatus(activity), Reason: reason,
		LastTransitionTime: since,
	}}
}

func zeroCase(random *rand.Rand) any {
	line := zeroLine{Activity: vectors.OneOf(random, "Unknown", "True", "False", "False"), Behind: vectors.Chance(random, 0.8)}
	line.Desired = vectors.OneOf[int32](random, 0, 0, 0, 1, 7)
	line.Settings.DeadlineS = vectors.OneOf(random, 600, 60, vectors.Between(random, 1, 100))
	line.Settings.Config = map[string]string{
		"enable-scale-to-zero":               strconv.FormatBool(vectors.Chance(random, 0.9)),
		"stable-window":                      vectors.OneOf(random, "60s", "20s"),
		"scale-to-zero-grace-period":         vectors.OneOf(random, "30s", "10s", "60s"),
		"scale-to-zero-pod-retention-period": vectors.OneOf(random, "0s", "0s", "20s", "45s"),
		"target-burst-capacity":              vectors.OneOf(random, "211", "0", "-1"),
	}
	line.Settings.Annotations = map[string]string{}
	if vectors.Chance(random, 0.3) {
		line.Settings.Annotations[autoscaling.WindowAnnotationKey] = vectors.OneOf(random, "10s", "90s")
	}
	if vectors.Chance(random, 0.3) {
		line.Settings.Annotations[autoscaling.ScaleToZeroPodRetentionPeriodKey] = vectors.OneOf(random, "0s", "50s")
	}
	if vectors.Chance(random, 0.3) {
		line.Settings.Annotations[autoscaling.TargetBurstCapacityKey] = vectors.OneOf(random, "-1", "0", "70")
	}
	line.Settings.Reachability = vectors.OneOf(random, "", "Reachable", "Unreachable")
	line.ForMs = int64(vectors.Between(random, 0, 100))*1000 + halfSecond.Milliseconds()
	if line.Activity == "Unknown" {
		line.ForMs = int64(vectors.Between(random, 0, 800))*1000 + halfSecond.Milliseconds()
	}
	if line.Serves = vectors.Chance(random, 0.4); !line.Serves {
		line.ProxiedForMs = int64(vectors.Between(random, 0, 100))*1000 + halfSecond.Milliseconds()
	}
	line.run()
	return line
}

func (line *zeroLine) run() {
	config, err := asconfig.NewConfigFromMap(line.Settings.Config)
	if err != nil {
		panic(err)
	}
	quiet := logging.WithLogger(context.Background(), zap.NewNop().Sugar())
	ctx := areconfig.ToContext(quiet, &areconfig.Config{
		Autoscaler: config,
		Deployment: &deployment.Config{ProgressDeadline: time.Duration(line.Settings.DeadlineS) * time.Second},
	})
	pa := &autoscalingv1alpha1.PodAutoscaler{}
	pa.Namespace, pa.Name, pa.Annotations = "namespace", "revision", line.Settings.Annotations
	pa.Spec.Reachability = autoscalingv1alpha1.ReachabilityType(line.Settings.Reachability)
	pa.Status.ServiceName, pa.Status.MetricsServiceName = "service", "metrics"
	pa.Status.Conditions = conditions(line.Activity, "", time.Duration(line.ForMs)*time.Millisecond)
	sks := &netv1alpha1.ServerlessService{}
	if sks.Spec.Mode = netv1alpha1.SKSOperationModeServe; !line.Serves {
		sks.Spec.Mode = netv1alpha1.SKSOperationModeProxy
		since := time.Now().Add(-time.Duration(line.ProxiedForMs) * time.Millisecond)
		sks.Status.Conditions = duckv1.Conditions{{
			Type: netv1alpha1.ActivatorEndpointsPopulated, Status: corev1.ConditionTrue,
			LastTransitionTime: apis.VolatileTime{Inner: metav1.NewTime(since)},
		}}
	}
	prober := &countingProber{}
	ks := &scaler{
		activatorProbe: func(*autoscalingv1alpha1.PodAutoscaler, http.RoundTripper) (bool, error) {
			if line.Behind {
				return true, nil
			}
			return false, errors.New("somebody else answers")
		},
		probeManager: prober,
		enqueueCB: func(_ any, after time.Duration) {
			seconds := int64((after + time.Second - 1) / time.Second)
			line.AgainS = &seconds
		},
	}
	line.Want, line.Applies = handleScaleToZero(ks, ctx, pa, sks, line.Desired)
	line.Probes = prober.count > 0
	line.ScrapesNothing = resolveScrapeTarget(ctx, pa) == ""
	vectors.Hit("zero: "+line.Activity+" writes 0", line.Applies && line.Want == 0)
	vectors.Hit("zero: "+line.Activity+" waits", !line.Applies)
	vectors.Hit("zero: writes 1", line.Applies && line.Want == 1 && line.Desired == 0)
	vectors.Hit("zero: probes", line.Probes)
	vectors.Hit("zero: no pod is scraped", line.ScrapesNothing)
}

type activityLine struct {
	Activity    string `json:"activity"`
	Reason      string `json:"reason,omitempty"`
	Initialized bool   `json:"initialized,omitempty"`
	Want        int    `json:"want"`
	Ready       int    `json:"ready"`
	Min         int    `json:"min,omitempty"`
	Initial     int    `json:"initial"`
	// After it:
	NewActivity    string `json:"newActivity"`
	NewReason      string `json:"newReason,omitempty"`
	NewInitialized bool   `json:"newInitialized,omitempty"`
	Changed        bool   `json:"changed,omitempty"`
	// And what the bounds make of the wish.
	Max     int32 `json:"max,omitempty"`
	Bounded int32 `json:"bounded"`
}

func activityCase(random *rand.Rand) any {
	line := activityLine{
		Activity: vectors.OneOf(random, "Unknown", "True", "False"), Initialized: vectors.Chance(random, 0.5),
		Want: vectors.OneOf(random, -1, 0, 1, vectors.Between(random, 0, 9)), Ready: vectors.Between(random, 0, 6),
		Min: vectors.OneOf(random, 0, 0, vectors.Between(random, 0, 4)), Initial: vectors.OneOf(random, 0, 1, 1, vectors.Between(random, 0, 5)),
	}
	reasons := map[string][]string{"Unknown": {"Queued"}, "True": {""}, "False": {"NoTraffic", "TimedOut"}}
	messages := map[string]string{
		"Queued":    "Requests to the target are being buffered as resources are provisioned.",
		"NoTraffic": "The target is not receiving traffic.", "TimedOut": "The target could not be activated.",
	}
	line.Reason = vectors.OneOf(random, reasons[line.Activity]...)
	config, err := asconfig.NewConfigFromMap(map[string]string{"allow-zero-initial-scale": "true"})
	if err != nil {
		panic(err)
	}
	ctx := areconfig.ToContext(context.Background(), &areconfig.Config{Autoscaler: config})
	pa := &autoscalingv1alpha1.PodAutoscaler{}
	pa.Annotations = map[string]string{
		autoscaling.MinScaleAnnotationKey:     strconv.Itoa(line.Min),
		autoscaling.InitialScaleAnnotationKey: strconv.Itoa(line.Initial),
	}
	pa.Status.ServiceName = "service"
	pa.Status.Conditions = conditions(line.Activity, line.Reason, time.Hour)
	pa.Status.Conditions[0].Message = messages[line.Reason]
	if line.Initialized {
		pa.Status.MarkScaleTargetInitialized()
	}
	before := pa.Status.GetCondition(autoscalingv1alpha1.PodAutoscalerConditionActive).LastTransitionTime
	computeActiveCondition(ctx, pa, podCounts{want: line.Want, ready: line.Ready})
	after := pa.Status.GetCondition(autoscalingv1alpha1.PodAutoscalerConditionActive)
	line.NewActivity, line.NewReason = string(after.Status), after.Reason
	line.NewInitialized = pa.Status.IsScaleTargetInitialized()
	line.Changed = after.LastTransitionTime != before
	line.Max = vectors.OneOf[int32](random, 0, int32(line.Min)+2)
	line.Bounded = applyBounds(int32(line.Min), line.Max, int32(line.Want))
	vectors.Hit("activity: "+line.Activity+" to "+line.NewActivity+" "+line.NewReason, true)
	return line
}
