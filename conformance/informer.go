package main

import (
	"context"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/cache"
)

// directInformer is a shared informer without a watch: whoever changes the cluster calls apply and remove, and every
// handler has run when they return. The scheduler's own informers deliver later and in no fixed order, which would make
// the vectors depend on timing.
type directInformer struct {
	cache.SharedIndexInformer
	indexer  cache.Indexer
	handlers []cache.ResourceEventHandler
}

func newDirectInformer() *directInformer {
	indexers := cache.Indexers{cache.NamespaceIndex: cache.MetaNamespaceIndexFunc}
	return &directInformer{indexer: cache.NewIndexer(cache.MetaNamespaceKeyFunc, indexers)}
}

// apply adds the object, or replaces the one of the same name.
func (i *directInformer) apply(object metav1.Object) {
	old, exists, err := i.indexer.Get(object)
	must(err)
	if !exists {
		must(i.indexer.Add(object))
		for _, handler := range i.handlers {
			handler.OnAdd(object, false)
		}
		return
	}
	must(i.indexer.Update(object))
	for _, handler := range i.handlers {
		handler.OnUpdate(old, object)
	}
}

func (i *directInformer) remove(object metav1.Object) {
	must(i.indexer.Delete(object))
	for _, handler := range i.handlers {
		handler.OnDelete(object)
	}
}

func (i *directInformer) AddEventHandler(handler cache.ResourceEventHandler) (cache.ResourceEventHandlerRegistration, error) {
	i.handlers = append(i.handlers, handler)
	for _, object := range i.indexer.List() {
		handler.OnAdd(object, true)
	}
	return registration{}, nil
}

func (i *directInformer) AddEventHandlerWithResyncPeriod(handler cache.ResourceEventHandler, _ time.Duration) (cache.ResourceEventHandlerRegistration, error) {
	return i.AddEventHandler(handler)
}

func (i *directInformer) AddEventHandlerWithOptions(handler cache.ResourceEventHandler, _ cache.HandlerOptions) (cache.ResourceEventHandlerRegistration, error) {
	return i.AddEventHandler(handler)
}

func (i *directInformer) RemoveEventHandler(cache.ResourceEventHandlerRegistration) error { return nil }
func (i *directInformer) GetStore() cache.Store                                           { return i.indexer }
func (i *directInformer) GetIndexer() cache.Indexer                                       { return i.indexer }
func (i *directInformer) AddIndexers(indexers cache.Indexers) error {
	return i.indexer.AddIndexers(indexers)
}
func (i *directInformer) HasSynced() bool                        { return true }
func (i *directInformer) HasSyncedChecker() cache.DoneChecker    { return registration{} }
func (i *directInformer) LastSyncResourceVersion() string        { return "" }
func (i *directInformer) SetTransform(cache.TransformFunc) error { return nil }
func (i *directInformer) IsStopped() bool                        { return false }
func (i *directInformer) Run(<-chan struct{})                    {}
func (i *directInformer) RunWithContext(context.Context)         {}

// registration is a handler that is always in step, as directInformer never lags.
type registration struct{}

var closed = func() chan struct{} {
	channel := make(chan struct{})
	close(channel)
	return channel
}()

func (registration) HasSynced() bool                     { return true }
func (registration) HasSyncedChecker() cache.DoneChecker { return registration{} }
func (registration) Name() string                        { return "direct" }
func (registration) Done() <-chan struct{}               { return closed }
