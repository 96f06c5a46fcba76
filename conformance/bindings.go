package main

import (
	"context"

	v1 "k8s.io/api/core/v1"
	resource "k8s.io/api/resource/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clienttesting "k8s.io/client-go/testing"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/names"
)

const selectedNode = "volume.kubernetes.io/selected-node"

// bindResources lets the plug-ins reserve volumes and devices for the pod on its node, takes what they write to the API
// server, and plays the controllers that answer. It returns the objects that changed.
func (c *cycle) bindResources(pod *v1.Pod, node string) []runtime.Object {
	must(c.profile.RunReservePluginsReserve(c.world.ctx, c.state, pod, node).AsError())
	c.world.client.ClearActions()
	plugins := pluginsOf(c.profile)
	if plugin, ok := plugins[names.VolumeBinding].(fwk.PreBindPlugin); ok {
		// The plug-in writes first and then waits for controllers; in a cancelled context it does not wait.
		ctx, cancel := context.WithCancel(c.world.ctx)
		cancel()
		plugin.PreBind(ctx, c.state, pod, node)
	}
	if plugin, ok := plugins[names.DynamicResources].(fwk.PreBindPlugin); ok {
		must(plugin.PreBind(c.world.ctx, c.state, pod, node).AsError())
	}
	return c.answer(c.world.client.Actions(), node)
}

// answer completes what was written: volumes are bound or provisioned; claims of devices are taken as they are.
func (c *cycle) answer(actions []clienttesting.Action, node string) []runtime.Object {
	var changed []runtime.Object
	claims := map[string]int{}
	for _, action := range actions {
		write, ok := action.(clienttesting.UpdateAction)
		if !ok {
			continue
		}
		switch object := write.GetObject().DeepCopyObject().(type) {
		case *v1.PersistentVolume:
			claim := c.world.claim(object.Spec.ClaimRef.Namespace + "/" + object.Spec.ClaimRef.Name).DeepCopy()
			bindClaim(claim, object)
			changed = append(changed, object, claim)
		case *v1.PersistentVolumeClaim:
			volume := c.provision(object, node)
			delete(object.Annotations, selectedNode)
			bindClaim(object, volume)
			changed = append(changed, volume, object)
		case *resource.ResourceClaim:
			if object.Status.Allocation != nil {
				// Wall time has no place in a vector.
				object.Status.Allocation.AllocationTimestamp = nil
			}
			if at, seen := claims[key(object)]; seen {
				changed[at] = object
				continue
			}
			claims[key(object)] = len(changed)
			changed = append(changed, object)
		}
	}
	return changed
}

// provision makes the volume that a driver would make for a claim: reachable from the node's zone, or from the node alone.
func (c *cycle) provision(claim *v1.PersistentVolumeClaim, node string) *v1.PersistentVolume {
	request := claim.Spec.Resources.Requests[v1.ResourceStorage]
	volume := newVolume("pvc-"+claim.Namespace+"-"+claim.Name, *claim.Spec.StorageClassName, request.String())
	volume.Spec.PersistentVolumeSource = v1.PersistentVolumeSource{CSI: &v1.CSIPersistentVolumeSource{Driver: csiDriver, VolumeHandle: volume.Name}}
	labels := c.nodes[c.index(node)].Node().Labels
	if zone, ok := labels[zoneKey]; ok {
		volume.Spec.NodeAffinity = onlyWhere(zoneKey, zone)
	} else {
		volume.Spec.NodeAffinity = onlyWhere(hostKey, labels[hostKey])
	}
	return volume
}

// applyChanges brings the changed objects into the cluster and the vector.
func (c *cycle) applyChanges(changed []runtime.Object) {
	for _, object := range changed {
		c.world.apply(object)
		clean := object.DeepCopyObject()
		clean.(metav1.Object).SetResourceVersion("")
		c.step.After.Update = append(c.step.After.Update, manifest(clean))
	}
}
