package main

import (
	"context"
	"fmt"
	"math/big"
	"sort"
	"strconv"
	"sync"
	"time"

	"github.com/awslabs/operatorpkg/status"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/kubernetes/scheme"
	clienttesting "k8s.io/client-go/testing"
	"k8s.io/client-go/tools/record"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	v1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/cloudprovider"
	"sigs.k8s.io/karpenter/pkg/controllers/provisioning"
	ksched "sigs.k8s.io/karpenter/pkg/controllers/provisioning/scheduling"
	"sigs.k8s.io/karpenter/pkg/controllers/state"
	"sigs.k8s.io/karpenter/pkg/events"
	"sigs.k8s.io/karpenter/pkg/operator/injection"
	"sigs.k8s.io/karpenter/pkg/operator/options"
	nodepoolutils "sigs.k8s.io/karpenter/pkg/utils/nodepool"
)

// provider sells the types of a world.
type provider struct {
	cloudprovider.CloudProvider
	types map[string][]*cloudprovider.InstanceType
}

func (p *provider) GetInstanceTypes(_ context.Context, pool *v1.NodePool) ([]*cloudprovider.InstanceType, error) {
	return p.types[pool.Name], nil
}
func (p *provider) Name() string                                 { return "vectors" }
func (p *provider) RepairPolicies() []cloudprovider.RepairPolicy { return nil }
func (p *provider) GetSupportedNodeClasses() []status.Object     { return []status.Object{&nodeClass{}} }

// nodeClass stands for the provider's own settings, of which there are none.
type nodeClass struct{ v1.NodePool }

func init() {
	scheme.Scheme.AddKnownTypeWithName(schema.GroupVersionKind{Group: "example.com", Version: "v1", Kind: "NodeClass"}, &nodeClass{})
}

// env is a world made of upstream's own objects.
type env struct {
	ctx         context.Context
	clock       *clocktesting.FakeClock
	client      client.Client
	provider    *provider
	pools       []*v1.NodePool
	cluster     *state.Cluster
	recorder    events.Recorder
	provisioner *provisioning.Provisioner
	pods        []*corev1.Pod // those to place, by position
	daemons     []*corev1.Pod
}

var now = time.Date(2026, 1, 5, 12, 0, 0, 0, time.UTC)

func must[T any](value T, err error) T {
	check(err)
	return value
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

// settings are upstream's defaults; a world says how preferences and minimum values are treated.
func settings(w World, spotToSpot bool) *options.Options {
	gates := options.DefaultFeatureGates()
	gates.SpotToSpotConsolidation = spotToSpot
	o := &options.Options{PreferencePolicy: options.PreferencePolicyRespect, MinValuesPolicy: options.MinValuesPolicyStrict, IgnoreDRARequests: true, CPURequests: 1000, BatchMaxDuration: 10 * time.Second, BatchIdleDuration: time.Second, FeatureGates: gates}
	if w.Ignore {
		o.PreferencePolicy = options.PreferencePolicyIgnore
	}
	if w.BestEffort {
		o.MinValuesPolicy = options.MinValuesPolicyBestEffort
	}
	return o
}

// store stands in for the API server. Making one takes longer than a pass of the scheduler, so that worlds share it.
var store = sync.OnceValue(func() client.Client {
	// The plain tracker: the usual one looks at all kinds of object whenever one is made.
	tracker := clienttesting.NewObjectTracker(scheme.Scheme, serializer.NewCodecFactory(scheme.Scheme).UniversalDecoder())
	return fake.NewClientBuilder().WithScheme(scheme.Scheme).WithObjectTracker(tracker).
		WithIndex(&corev1.Pod{}, "spec.nodeName", func(o client.Object) []string { return []string{o.(*corev1.Pod).Spec.NodeName} }).
		WithIndex(&v1.NodeClaim{}, "status.providerID", func(o client.Object) []string { return []string{o.(*v1.NodeClaim).Status.ProviderID} }).
		Build()
})

// emptied is the store without the objects of the last world.
func emptied(ctx context.Context) client.Client {
	pods, nodes, claims, pools := corev1.PodList{}, corev1.NodeList{}, v1.NodeClaimList{}, v1.NodePoolList{}
	for _, list := range []client.ObjectList{&pods, &nodes, &claims, &pools} {
		check(store().List(ctx, list))
	}
	var all []client.Object
	for at := range pods.Items {
		all = append(all, &pods.Items[at])
	}
	for at := range nodes.Items {
		all = append(all, &nodes.Items[at])
	}
	for at := range claims.Items {
		all = append(all, &claims.Items[at])
	}
	for at := range pools.Items {
		all = append(all, &pools.Items[at])
	}
	for _, object := range all {
		check(store().Delete(ctx, object, client.GracePeriodSeconds(0)))
	}
	return store()
}

// build makes a world. Pods on nodes are called after their node and number; those to place after their position.
func build(w World, spotToSpot bool) *env {
	e := &env{clock: clocktesting.NewFakeClock(now)}
	e.ctx = options.ToContext(injection.WithControllerName(context.Background(), "vectors"), settings(w, spotToSpot))
	e.client = emptied(e.ctx)
	e.provider = &provider{types: map[string][]*cloudprovider.InstanceType{}}
	for _, pool := range w.Pools {
		np := pool.object()
		check(e.client.Create(e.ctx, np.DeepCopy()))
		e.pools = append(e.pools, np)
		for _, at := range pool.Types {
			e.provider.types[np.Name] = append(e.provider.types[np.Name], w.Types[at].object())
		}
	}
	nodepoolutils.OrderByWeight(e.pools)
	e.cluster = state.NewCluster(e.clock, e.client, e.provider)
	e.recorder = events.NewRecorder(&record.FakeRecorder{})
	e.provisioner = provisioning.NewProvisioner(e.client, e.recorder, e.provider, e.cluster, e.clock, nil, nil)
	for at, daemon := range w.Daemons {
		e.daemons = append(e.daemons, daemon.object(fmt.Sprintf("daemon-%d", at)))
	}
	for at, node := range w.Nodes {
		e.addNode(w, at, node)
	}
	for id, class := range w.Pods {
		pod := w.Classes[class].object(fmt.Sprintf("pod-%05d", id))
		check(e.client.Create(e.ctx, pod.DeepCopy()))
		e.pods = append(e.pods, pod)
	}
	return e
}

func (e *env) addNode(w World, at int, n Node) {
	labels := map[string]string{corev1.LabelHostname: n.Name}
	for key, value := range n.Labels {
		labels[key] = value
	}
	pool := labels[v1.NodePoolLabelKey]
	if pool != "" {
		labels[v1.NodeRegisteredLabelKey] = "true"
		if !n.Uninitialized {
			labels[v1.NodeInitializedLabelKey] = "true"
		}
	}
	id := "vectors://" + n.Name
	list := amounts(n.Allocatable)
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: n.Name, Labels: labels}, Spec: corev1.NodeSpec{ProviderID: id, Taints: taints(n.Taints)},
		Status: corev1.NodeStatus{Capacity: list, Allocatable: list, Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}}}
	check(e.client.Create(e.ctx, node.DeepCopy()))
	var pods []*corev1.Pod
	for number, class := range n.Pods {
		pods = append(pods, e.bind(w.Classes[class].object(fmt.Sprintf("on-%03d-%03d", at, number)), n.Name, nil))
	}
	for _, daemon := range n.Daemons {
		owner := []metav1.OwnerReference{{APIVersion: appsv1.SchemeGroupVersion.String(), Kind: "DaemonSet", Name: fmt.Sprint("daemon-", daemon), UID: "daemon"}}
		pods = append(pods, e.bind(w.Daemons[daemon].object(fmt.Sprintf("daemon-%d-on-%03d", daemon, at)), n.Name, owner))
	}
	if pool != "" {
		claim := &v1.NodeClaim{ObjectMeta: metav1.ObjectMeta{Name: "claim-" + n.Name, Labels: labels, CreationTimestamp: metav1.NewTime(now.Add(-time.Hour))}}
		claim.Spec.NodeClassRef = &v1.NodeClassReference{Group: "example.com", Kind: "NodeClass", Name: "default"}
		claim.Spec.Taints = taints(n.Taints)
		claim.Status = v1.NodeClaimStatus{ProviderID: id, NodeName: n.Name, Capacity: list, Allocatable: list}
		set := claim.StatusConditions(status.WithClock(e.clock))
		set.SetTrue(v1.ConditionTypeLaunched)
		set.SetTrue(v1.ConditionTypeRegistered)
		if !n.Uninitialized {
			set.SetTrue(v1.ConditionTypeInitialized)
			set.SetTrue(v1.ConditionTypeConsolidatable)
		}
		check(e.client.Create(e.ctx, claim.DeepCopy()))
		e.cluster.UpdateNodeClaim(claim)
	}
	check(e.cluster.UpdateNode(e.ctx, node))
	for _, pod := range pods {
		check(e.cluster.UpdatePod(e.ctx, pod))
	}
}

// bind puts a pod on a node, running.
func (e *env) bind(pod *corev1.Pod, node string, owner []metav1.OwnerReference) *corev1.Pod {
	pod.Spec.NodeName = node
	pod.OwnerReferences = owner
	pod.Status = corev1.PodStatus{Phase: corev1.PodRunning}
	check(e.client.Create(e.ctx, pod.DeepCopy()))
	return pod
}

// Outcome is what the scheduler decided, in a form that does not depend on chance.
type Outcome struct {
	New      []NewNode        `json:"new,omitempty"`
	Existing map[string][]int `json:"existing,omitempty"`
	Failed   []int            `json:"failed,omitempty"`
}

type NewNode struct {
	Pool     string  `json:"pool"`
	Pods     []int   `json:"pods"`
	Types    string  `json:"types"` // a bit for each type of the catalogue, the first the lowest, in hexadecimal
	Reqs     string  `json:"reqs"`
	Requests Amounts `json:"requests"`
}

// solve drives the real scheduler once over a fresh copy of the world.
func solve(w World) Outcome {
	e := build(w, false)
	number := map[string]int{}
	for at, pod := range e.pods {
		number[pod.Name] = at
	}
	opts := []ksched.Options{ksched.NumConcurrentReconciles(1), ksched.MinValuesPolicy(options.FromContext(e.ctx).MinValuesPolicy)}
	if w.Ignore {
		opts = append(opts, ksched.IgnorePreferences)
	}
	if w.Strict {
		opts = append(opts, ksched.DisableReservedCapacityFallback)
	}
	nodes := e.cluster.DeepCopyNodes().Active()
	topology := must(ksched.NewTopology(e.ctx, e.client, e.cluster, nodes, e.pools, e.provider.types, e.pods, opts...))
	s := ksched.NewScheduler(e.ctx, e.client, e.pools, e.cluster, nodes, topology, e.provider.types, e.daemons, e.recorder, e.clock, nil, nil, opts...)
	order := append([]*corev1.Pod{}, e.pods...)
	results := must(s.Solve(e.ctx, order)).TruncateInstanceTypes(e.ctx, ksched.MaxInstanceTypes)
	out := Outcome{Existing: map[string][]int{}}
	for _, n := range results.NewNodeClaims {
		out.New = append(out.New, newNode(n, number))
	}
	sort.Slice(out.New, func(a, b int) bool { return out.New[a].Pods[0] < out.New[b].Pods[0] })
	for _, n := range results.ExistingNodes {
		for _, pod := range n.Pods {
			out.Existing[n.Name()] = append(out.Existing[n.Name()], number[pod.Name])
		}
		sort.Ints(out.Existing[n.Name()])
		if len(out.Existing[n.Name()]) == 0 {
			delete(out.Existing, n.Name())
		}
	}
	for pod := range results.PodErrors {
		out.Failed = append(out.Failed, number[pod.Name])
	}
	sort.Ints(out.Failed)
	return out
}

func newNode(n *ksched.NodeClaim, number map[string]int) NewNode {
	back := NewNode{Pool: n.NodePoolName, Reqs: n.Requirements.String(), Requests: of(n.Spec.Resources.Requests)}
	for _, pod := range n.Pods {
		back.Pods = append(back.Pods, number[pod.Name])
	}
	types := new(big.Int)
	for _, it := range n.InstanceTypeOptions {
		types.SetBit(types, must(strconv.Atoi(it.Name[len(it.Name)-2:])), 1) // names end with their number
	}
	back.Types = types.Text(16)
	sort.Ints(back.Pods)
	return back
}
