package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"time"
	"unsafe"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes/fake"
	listersv1 "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/rest"
	kubetesting "k8s.io/client-go/testing"
	"k8s.io/client-go/tools/record"

	"k8s.io/autoscaler/vertical-pod-autoscaler/pkg/admission-controller/resource/pod/patch"
	provider "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/admission-controller/resource/pod/recommendation"
	vpa_types "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"
	vpa_clientset "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/client/clientset/versioned"
	vpa_lister "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/client/listers/autoscaling.k8s.io/v1"
	"k8s.io/autoscaler/vertical-pod-autoscaler/pkg/features"
	controllerfetcher "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/target/controller_fetcher"
	"k8s.io/autoscaler/vertical-pod-autoscaler/pkg/updater/inplace"
	"k8s.io/autoscaler/vertical-pod-autoscaler/pkg/updater/logic"
	"k8s.io/autoscaler/vertical-pod-autoscaler/pkg/updater/priority"
	"k8s.io/autoscaler/vertical-pod-autoscaler/pkg/updater/restriction"
	vpa_utils "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/utils/vpa"
)

type updaterVector struct {
	Name            string           `json:"name"`
	Mode            string           `json:"mode"`
	MinReplicas     int              `json:"minReplicas"`
	OwnMinReplicas  *int32           `json:"ownMinReplicas,omitempty"`
	Tolerance       float64          `json:"tolerance"`
	SkipsBudget     bool             `json:"skipsBudget,omitempty"`
	InPlaceGate     bool             `json:"inPlaceGate,omitempty"`
	Policy          policy           `json:"policy"`
	Recommendations []recommendation `json:"recommendations"`
	Requirements    *[]requirement   `json:"requirements,omitempty"`
	Replicas        []int32          `json:"replicas"` // of each controller; -1: a Job
	Pods            []updaterPod     `json:"pods"`
	Loops           []updaterLoop    `json:"loops"`
}

type updaterPod struct {
	Controller int                `json:"controller"`
	Containers []runningContainer `json:"containers"`
	Age        *int64             `json:"age,omitempty"` // s at the first loop
	Pending    bool               `json:"pending,omitempty"`
	Resize     string             `json:"resize,omitempty"`
	Seen       *int64             `json:"seen,omitempty"` // s since the updater saw it being resized
	Restarts   bool               `json:"restarts,omitempty"`
	Answer     string             `json:"answer,omitempty"` // refused, infeasible; to a resize
	NoEviction bool               `json:"noEviction,omitempty"`
}

type updaterLoop struct {
	Recommendations *[]recommendation `json:"recommendations,omitempty"` // if they are others than before
	Steps           []string          `json:"steps"`                     // e or r, and the pod
}

// world is what the updater is shown of one case.
type world struct {
	vpa    *vpa_types.VerticalPodAutoscaler
	pods   []*corev1.Pod
	vector *updaterVector
	steps  []string
}

type vpaLister struct {
	vpa_lister.VerticalPodAutoscalerLister
	world *world
}

func (l vpaLister) List(labels.Selector) ([]*vpa_types.VerticalPodAutoscaler, error) {
	return []*vpa_types.VerticalPodAutoscaler{l.world.vpa}, nil
}

type podLister struct {
	listersv1.PodLister
	world *world
}

func (l podLister) List(labels.Selector) ([]*corev1.Pod, error) { return l.world.pods, nil }

type everything struct{}

func (everything) Fetch(context.Context, *vpa_types.VerticalPodAutoscaler) (labels.Selector, error) {
	return labels.Everything(), nil
}

// target says that every pod belongs to the VPA's target in the end.
type target struct{}

func (target) FindTopMostWellKnownOrScalable(context.Context, *controllerfetcher.ControllerKeyWithAPIVersion) (*controllerfetcher.ControllerKeyWithAPIVersion, error) {
	return &controllerfetcher.ControllerKeyWithAPIVersion{ControllerKey: controllerfetcher.ControllerKey{Namespace: "default", Kind: "Deployment", Name: "app"}}, nil
}

// emptyServer answers the updater's own lister, which is replaced before the first loop, with nothing.
var emptyServer = httptest.NewServer(http.HandlerFunc(func(writer http.ResponseWriter, request *http.Request) {
	writer.Header().Set("Content-Type", "application/json")
	if request.URL.Query().Get("watch") != "" {
		writer.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(writer, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"BadRequest","code":400}`)
		return
	}
	fmt.Fprint(writer, `{"kind":"VerticalPodAutoscalerList","apiVersion":"autoscaling.k8s.io/v1","metadata":{"resourceVersion":"1"},"items":[]}`)
}))

func set(of any, name string, value any) {
	field := reflect.ValueOf(of).Elem().FieldByName(name)
	reflect.NewAt(field.Type(), unsafe.Pointer(field.UnsafeAddr())).Elem().Set(reflect.ValueOf(value))
}

// current is the case that the API server, which there is but one of, answers for.
var current *world

// shared is upstream's updater; each case replaces what it holds. Its constructor waits for a server and never lets go of it, so
// that it is called once.
var shared struct {
	client    *fake.Clientset
	updater   logic.Updater
	processor vpa_utils.RecommendationProcessor
}

func startUpdater() {
	shared.client = fake.NewClientset()
	shared.client.PrependReactor("create", "pods", func(action kubetesting.Action) (bool, runtime.Object, error) { return current.evict(action) })
	shared.client.PrependReactor("patch", "pods", func(action kubetesting.Action) (bool, runtime.Object, error) { return current.resize(action) })
	shared.processor = vpa_utils.NewCappingRecommendationProcessor(ranges{})
	vpaClient, err := vpa_clientset.NewForConfig(&rest.Config{Host: emptyServer.URL})
	if err != nil {
		panic(err)
	}
	factory := informers.NewSharedInformerFactory(shared.client, 0)
	shared.updater, err = logic.NewUpdater(shared.client, vpaClient, factory, factory, 2, -1, 1, 0.5, false, false, 0.1, 12*time.Hour, 10*time.Minute,
		"", "", time.Minute, shared.processor, priority.NewScalingDirectionPodEvictionAdmission(), everything{}, target{}, priority.NewProcessor(), "", nil, nil)
	if err != nil {
		panic(err)
	}
	set(shared.updater, "eventRecorder", &record.FakeRecorder{})
}

// updater is upstream's, as if it had seen nothing but resizes since those instants.
func (w *world) updater(seen map[string]time.Time) logic.Updater {
	if shared.updater == nil {
		startUpdater()
	}
	factory := informers.NewSharedInformerFactory(shared.client, 0)
	for controller, replicas := range w.vector.Replicas {
		if replicas >= 0 {
			one := &appsv1.ReplicaSet{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprint("rs-", controller), Namespace: "default"}}
			one.Spec.Replicas = &replicas
			if err := factory.Apps().V1().ReplicaSets().Informer().GetStore().Add(one); err != nil {
				panic(err)
			}
		}
	}
	calculators := []patch.Calculator{inplace.NewResourceInPlaceUpdatesCalculator(provider.NewProvider(ranges{}, shared.processor)), inplace.NewInPlaceUpdatedCalculator()}
	restrictions := restriction.NewPodsRestrictionFactory(shared.client, factory, w.vector.MinReplicas, w.vector.Tolerance, calculators, w.vector.SkipsBudget)
	set(restrictions, "lastInPlaceAttemptTimeMap", seen)
	current = w
	set(shared.updater, "restrictionFactory", restrictions)
	set(shared.updater, "vpaLister", vpaLister{world: w})
	set(shared.updater, "podLister", podLister{world: w})
	set(shared.updater, "infeasibleAttempts", map[types.UID]*vpa_types.RecommendedPodResources{})
	return shared.updater
}

func (w *world) evict(action kubetesting.Action) (bool, runtime.Object, error) {
	if action.GetSubresource() != "eviction" {
		return false, nil, nil
	}
	name := action.(kubetesting.CreateAction).GetObject().(metav1.Object).GetName()
	number := w.index(name)
	w.steps = append(w.steps, fmt.Sprint("e", number))
	if w.vector.Pods[number].NoEviction {
		return true, nil, errors.New("a budget forbids it")
	}
	return true, nil, nil
}

func (w *world) resize(action kubetesting.Action) (bool, runtime.Object, error) {
	number := w.index(action.(kubetesting.PatchAction).GetName())
	if action.GetSubresource() != "resize" {
		return true, w.pods[number], nil
	}
	w.steps = append(w.steps, fmt.Sprint("r", number))
	switch w.vector.Pods[number].Answer {
	case "refused":
		return true, nil, errors.New("it is invalid")
	case "infeasible":
		status := apierrors.NewForbidden(corev1.Resource("pods"), "pod", errors.New("no room"))
		status.ErrStatus.Details.Causes = []metav1.StatusCause{{Type: "NodeCapacity"}}
		return true, nil, status
	}
	return true, w.pods[number], nil
}

func (w *world) index(name string) int {
	return slices.IndexFunc(w.pods, func(pod *corev1.Pod) bool { return pod.Name == name })
}

var resizes = map[string]corev1.PodCondition{
	"deferred":   {Type: corev1.PodResizePending, Status: corev1.ConditionTrue, Reason: corev1.PodReasonDeferred},
	"infeasible": {Type: corev1.PodResizePending, Status: corev1.ConditionTrue, Reason: corev1.PodReasonInfeasible},
	"inProgress": {Type: corev1.PodResizeInProgress, Status: corev1.ConditionTrue},
	"error":      {Type: corev1.PodResizeInProgress, Status: corev1.ConditionTrue, Reason: corev1.PodReasonError, Message: "no"},
}

func drawUpdaterPod(random *rand.Rand, template []container, controllers int) updaterPod {
	pod := updaterPod{Controller: random.IntN(controllers), Containers: drawRunning(random, template), Pending: chance(random, 0.1), Restarts: chance(random, 0.3)}
	for i := range pod.Containers {
		// Ends and ages stay away from the thresholds by more than the time that a loop takes.
		if ended := pod.Containers[i].Ended; ended != nil {
			*ended = [2]int64{awayFrom(ended[0]), awayFrom(ended[1])}
			ended[0] = ended[1] + awayFrom(ended[0]-ended[1])
		}
	}
	if chance(random, 0.95) {
		pod.Age = pointer(pick(random, int64(43_000), 43_400, random.Int64N(43_000), 43_400+random.Int64N(100_000)))
	}
	if chance(random, 0.3) {
		pod.Resize = pick(random, sortedKeys(resizes)...)
		if chance(random, 0.7) {
			pod.Seen = pointer(pick(random, int64(250), 350, 3500, 3700, 10))
		}
	}
	if chance(random, 0.2) {
		pod.Answer = pick(random, "refused", "infeasible")
	}
	pod.NoEviction = chance(random, 0.15)
	return pod
}

func awayFrom(seconds int64) int64 {
	if seconds > 560 && seconds < 640 {
		return 640
	}
	return max(seconds, 0)
}

func (p updaterPod) object(number int, replicas []int32, now time.Time) *corev1.Pod {
	pod := runningPod(fmt.Sprint("pod-", number), p.Containers, now)
	pod.UID = types.UID(pod.Name)
	kind := "ReplicaSet"
	if replicas[p.Controller] < 0 {
		kind = "Job"
	}
	pod.OwnerReferences = []metav1.OwnerReference{{Kind: kind, Name: fmt.Sprint("rs-", p.Controller), Controller: pointer(true)}}
	pod.Status.Phase = corev1.PodRunning
	if p.Pending {
		pod.Status.Phase = corev1.PodPending
	}
	if p.Age != nil {
		pod.Status.StartTime = pointer(metav1.NewTime(now.Add(-time.Duration(*p.Age) * time.Second)))
	}
	if p.Resize != "" {
		pod.Status.Conditions = append(pod.Status.Conditions, resizes[p.Resize])
	}
	if p.Restarts {
		pod.Spec.Containers[0].ResizePolicy = []corev1.ContainerResizePolicy{{ResourceName: corev1.ResourceMemory, RestartPolicy: corev1.RestartContainer}}
	}
	return pod
}

func updaterCase(random *rand.Rand, number int, reached map[string]int) any {
	names := []string{"app", "sidecar"}[:1+random.IntN(2)]
	template := drawContainers(random, names)
	vector := updaterVector{
		Name: fmt.Sprintf("updater-%04d", number), Mode: pick(random, "Recreate", "Recreate", "InPlaceOrRecreate", "InPlaceOrRecreate", "InPlaceOrRecreate", "InPlace", "Initial", "Off"),
		MinReplicas: pick(random, 2, 2, 1, 3), Tolerance: pick(random, 0.5, 0.5, 0.1, random.Float64()),
		SkipsBudget: chance(random, 0.2), InPlaceGate: chance(random, 0.7), Policy: drawPolicy(random, names), Requirements: drawRequirements(random),
	}
	vector.Policy.IntegerCPU = nil
	if chance(random, 0.2) {
		vector.OwnMinReplicas = pointer(random.Int32N(4))
	}
	vector.Recommendations = drawRecommendations(random, names, template)
	if chance(random, 0.03) {
		vector.Recommendations = []recommendation{}
	}
	controllers := 1 + random.IntN(2)
	for range 1 + random.IntN(8) {
		vector.Pods = append(vector.Pods, drawUpdaterPod(random, template, controllers))
	}
	for controller := range controllers {
		var pods int32
		for _, pod := range vector.Pods {
			if pod.Controller == controller {
				pods++
			}
		}
		vector.Replicas = append(vector.Replicas, pick(random, pods, pods, pods, max(pods-1, 0), pods+1, -1))
	}
	vector.run(random, reached)
	return vector
}

func (v *updaterVector) run(random *rand.Rand, reached map[string]int) {
	if err := features.MutableFeatureGate.SetFromMap(map[string]bool{"InPlace": v.InPlaceGate}); err != nil {
		panic(err)
	}
	now := time.Now()
	w := &world{vector: v}
	mode := vpa_types.UpdateMode(v.Mode)
	w.vpa = &vpa_types.VerticalPodAutoscaler{ObjectMeta: metav1.ObjectMeta{Name: "vpa", Namespace: "default"}}
	w.vpa.Spec.TargetRef = &autoscalingv1.CrossVersionObjectReference{Kind: "Deployment", Name: "app"}
	w.vpa.Spec.ResourcePolicy = v.Policy.resourcePolicy()
	w.vpa.Spec.UpdatePolicy = &vpa_types.PodUpdatePolicy{UpdateMode: &mode, MinReplicas: v.OwnMinReplicas}
	if v.Requirements == nil {
		// With an update policy upstream holds an empty list of requirements against every pod without a recommendation.
		v.Requirements = &[]requirement{}
	}
	own := priorityVector{Requirements: v.Requirements}
	w.vpa.Spec.UpdatePolicy.EvictionRequirements = own.evictionRequirements()
	seen := map[string]time.Time{}
	for number, pod := range v.Pods {
		w.pods = append(w.pods, pod.object(number, v.Replicas, now))
		if pod.Seen != nil {
			seen[fmt.Sprint("default/pod-", number)] = now.Add(-time.Duration(*pod.Seen) * time.Second)
		}
	}
	updater := w.updater(seen)
	recommendations := v.Recommendations
	for number := range 1 + random.IntN(3) {
		loop := updaterLoop{}
		if number > 0 && chance(random, 0.5) {
			recommendations = slices.Clone(recommendations)
			for i, one := range recommendations {
				// Somewhat less, or somewhat more.
				scale := 0.7 + random.Float64()
				if one.Target.CPU != nil {
					recommendations[i].Target.CPU = pointer(int64(float64(*one.Target.CPU)*scale) + 1)
				}
			}
			loop.Recommendations = pointer(slices.Clone(recommendations))
		}
		w.vpa.Status.Recommendation = nil
		if len(recommendations) > 0 {
			w.vpa.Status.Recommendation = podResources(recommendations)
		}
		w.steps = []string{}
		updater.RunOnce(context.Background())
		loop.Steps = w.steps
		v.Loops = append(v.Loops, loop)
		v.count(w.steps, reached)
	}
}

func (v *updaterVector) count(steps []string, reached map[string]int) {
	reached["loops"]++
	resized := map[string]bool{}
	for _, step := range steps {
		if strings.HasPrefix(step, "r") {
			reached["resizes in mode "+v.Mode]++
			resized[step[1:]] = true
		} else if resized[step[1:]] {
			reached["evictions after a refused resize"]++
		} else {
			reached["evictions in mode "+v.Mode]++
		}
	}
}
