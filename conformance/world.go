package main

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"time"

	"github.com/go-logr/logr"
	apps "k8s.io/api/apps/v1"
	v1 "k8s.io/api/core/v1"
	policy "k8s.io/api/policy/v1"
	resource "k8s.io/api/resource/v1"
	storage "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	clientset "k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/events"
	"k8s.io/klog/v2"
	defaults "k8s.io/kubernetes/pkg/apis/core/v1"
	resourcedefaults "k8s.io/kubernetes/pkg/apis/resource/v1"
	"k8s.io/kubernetes/pkg/scheduler"
	schedulerconfig "k8s.io/kubernetes/pkg/scheduler/apis/config"
	"k8s.io/kubernetes/pkg/scheduler/apis/config/scheme"
	internalcache "k8s.io/kubernetes/pkg/scheduler/backend/cache"
)

// world is one cluster as the real scheduler sees it: the objects in its informers, and the scheduler itself.
type world struct {
	ctx       context.Context
	cancel    context.CancelFunc
	client    *fake.Clientset
	informers map[reflect.Type]*directInformer
	scheduler *scheduler.Scheduler
	snapshot  *internalcache.Snapshot
	version   int
}

// informedTypes are the types of which the scheduler or one of its plug-ins reads an informer.
var informedTypes = []runtime.Object{
	&v1.Pod{}, &v1.Node{}, &v1.Namespace{}, &v1.Service{}, &v1.ReplicationController{},
	&v1.PersistentVolume{}, &v1.PersistentVolumeClaim{}, &apps.ReplicaSet{}, &apps.StatefulSet{},
	&storage.StorageClass{}, &storage.CSINode{}, &storage.CSIDriver{}, &storage.CSIStorageCapacity{}, &storage.VolumeAttachment{},
	&policy.PodDisruptionBudget{}, &resource.ResourceClaim{}, &resource.ResourceSlice{}, &resource.DeviceClass{}, &resource.DeviceTaintRule{},
}

// newWorld builds a scheduler by upstream's own constructor. An empty config stands for the defaults.
func newWorld(config []byte, options ...scheduler.Option) *world {
	ctx, cancel := context.WithCancel(klog.NewContext(context.Background(), logr.Discard()))
	w := &world{ctx: ctx, cancel: cancel, client: fake.NewSimpleClientset(), informers: map[reflect.Type]*directInformer{}}
	w.snapshot = internalcache.NewEmptySnapshot()
	factory := informers.NewSharedInformerFactory(w.client, 0)
	for _, object := range informedTypes {
		direct := newDirectInformer()
		w.informers[reflect.TypeOf(object)] = direct
		factory.InformerFor(object, func(_ clientset.Interface, _ time.Duration) cache.SharedIndexInformer { return direct })
	}
	internal := decodeConfig(config)
	options = append([]scheduler.Option{
		scheduler.WithProfiles(internal.Profiles...),
		scheduler.WithPercentageOfNodesToScore(internal.PercentageOfNodesToScore),
		scheduler.WithNodeInfoSnapshot(w.snapshot),
		scheduler.WithPodInitialBackoffSeconds(internal.PodInitialBackoffSeconds),
		scheduler.WithPodMaxBackoffSeconds(internal.PodMaxBackoffSeconds),
	}, options...)
	recorder := func(string) events.EventRecorderLogger { return &events.FakeRecorder{} }
	var err error
	w.scheduler, err = scheduler.New(ctx, w.client, factory, nil, recorder, options...)
	must(err)
	return w
}

// decodeConfig reads a configuration as kube-scheduler reads its file: with defaults, into the internal form.
func decodeConfig(config []byte) *schedulerconfig.KubeSchedulerConfiguration {
	if len(config) == 0 {
		config = []byte(`{"apiVersion":"kubescheduler.config.k8s.io/v1","kind":"KubeSchedulerConfiguration"}`)
	}
	object, _, err := scheme.Codecs.UniversalDecoder().Decode(config, nil, nil)
	must(err)
	return object.(*schedulerconfig.KubeSchedulerConfiguration)
}

// apply brings an object into the cluster as the API server would store it: with defaults, a uid and a version.
func (w *world) apply(object runtime.Object) {
	stored := object.DeepCopyObject()
	switch typed := stored.(type) {
	case *v1.Pod:
		defaults.SetObjectDefaults_Pod(typed)
	case *v1.Node:
		defaults.SetObjectDefaults_Node(typed)
	case *v1.PersistentVolume:
		defaults.SetObjectDefaults_PersistentVolume(typed)
	case *v1.PersistentVolumeClaim:
		defaults.SetObjectDefaults_PersistentVolumeClaim(typed)
	case *resource.ResourceClaim:
		resourcedefaults.SetObjectDefaults_ResourceClaim(typed)
	}
	meta := stored.(metav1.Object)
	w.version++
	meta.SetResourceVersion(strconv.Itoa(w.version))
	meta.SetUID(uid(meta))
	w.track(stored)
	if informer, ok := w.informers[reflect.TypeOf(stored)]; ok {
		informer.apply(meta)
	}
}

// track gives the object to the fake API server when a plug-in writes to it there.
func (w *world) track(object runtime.Object) {
	meta := object.(metav1.Object)
	var resourceName string
	switch object.(type) {
	case *v1.PersistentVolume:
		resourceName = "persistentvolumes"
	case *v1.PersistentVolumeClaim:
		resourceName = "persistentvolumeclaims"
	default:
		if _, ok := object.(*resource.ResourceClaim); !ok {
			return
		}
		gvr := resource.SchemeGroupVersion.WithResource("resourceclaims")
		if err := w.client.Tracker().Create(gvr, object, meta.GetNamespace()); err != nil {
			must(w.client.Tracker().Update(gvr, object, meta.GetNamespace()))
		}
		return
	}
	gvr := v1.SchemeGroupVersion.WithResource(resourceName)
	if err := w.client.Tracker().Create(gvr, object, meta.GetNamespace()); err != nil {
		must(w.client.Tracker().Update(gvr, object, meta.GetNamespace()))
	}
}

// pod returns the stored pod of a namespace/name key.
func (w *world) pod(key string) *v1.Pod {
	object, exists, err := w.informers[reflect.TypeOf(&v1.Pod{})].indexer.GetByKey(key)
	must(err)
	if !exists {
		panic(fmt.Sprintf("no pod %s", key))
	}
	return object.(*v1.Pod)
}

func (w *world) hasPod(key string) bool {
	_, exists, err := w.informers[reflect.TypeOf(&v1.Pod{})].indexer.GetByKey(key)
	must(err)
	return exists
}

// claim returns the stored claim of a namespace/name key.
func (w *world) claim(key string) *v1.PersistentVolumeClaim {
	object, exists, err := w.informers[reflect.TypeOf(&v1.PersistentVolumeClaim{})].indexer.GetByKey(key)
	must(err)
	if !exists {
		panic(fmt.Sprintf("no claim %s", key))
	}
	return object.(*v1.PersistentVolumeClaim)
}

func (w *world) removePod(key string) {
	w.informers[reflect.TypeOf(&v1.Pod{})].remove(w.pod(key))
}

func (w *world) removeNode(node *v1.Node) {
	w.informers[reflect.TypeOf(&v1.Node{})].remove(node)
}

// refresh brings the scheduler's snapshot up to the cache, as at the start of every cycle.
func (w *world) refresh() {
	must(w.scheduler.Cache.UpdateSnapshot(klog.FromContext(w.ctx), w.snapshot))
}

func uid(object metav1.Object) types.UID {
	if object.GetNamespace() == "" {
		return types.UID(object.GetName())
	}
	return types.UID(object.GetNamespace() + "-" + object.GetName())
}

func key(object metav1.Object) string { return object.GetNamespace() + "/" + object.GetName() }

// list is every object of a type, in the order of their names.
func (w *world) list(of runtime.Object) []any {
	indexer := w.informers[reflect.TypeOf(of)].indexer
	keys := indexer.ListKeys()
	slices.Sort(keys)
	objects := make([]any, len(keys))
	for i, key := range keys {
		objects[i], _, _ = indexer.GetByKey(key)
	}
	return objects
}
