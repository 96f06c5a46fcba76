package main

import (
	"fmt"

	v1 "k8s.io/api/core/v1"
	storage "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	csiDriver     = "disk.csi.example.com"
	bindCompleted = "pv.kubernetes.io/bind-completed"
	boundBy       = "pv.kubernetes.io/bound-by-controller"
)

// volumesCluster adds the storage classes: bound at once, bound with the pod by a provisioner (everywhere, or in one
// zone), and bound with the pod to volumes that exist.
func volumesCluster(b *builder) {
	wait, immediate := storage.VolumeBindingWaitForFirstConsumer, storage.VolumeBindingImmediate
	class := func(name, provisioner string, mode *storage.VolumeBindingMode) *storage.StorageClass {
		object := &storage.StorageClass{ObjectMeta: metav1.ObjectMeta{Name: name}, Provisioner: provisioner, VolumeBindingMode: mode}
		b.others = append(b.others, object)
		return object
	}
	class("immediate", csiDriver, &immediate)
	class("wait", csiDriver, &wait)
	class("local", "kubernetes.io/no-provisioner", &wait)
	class("zoned", csiDriver, &wait).AllowedTopologies = []v1.TopologySelectorTerm{{
		MatchLabelExpressions: []v1.TopologySelectorLabelRequirement{{Key: zoneKey, Values: []string{"a", "c"}}},
	}}
	tracked := b.chance(40)
	b.others = append(b.others, &storage.CSIDriver{ObjectMeta: metav1.ObjectMeta{Name: csiDriver}, Spec: storage.CSIDriverSpec{StorageCapacity: &tracked}})
	if tracked {
		for _, zone := range b.zones {
			b.addCapacity("wait", zone)
			b.addCapacity("zoned", zone)
		}
	}
}

// addCapacity says how much a driver can still provision in a zone, or says nothing, which counts as none.
func (b *builder) addCapacity(class, zone string) {
	if b.chance(25) {
		return
	}
	capacity := quantity(pick(b, "5Gi", "20Gi", "100Gi", "1Ti"))
	object := &storage.CSIStorageCapacity{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: class + "-" + zone}, StorageClassName: class, Capacity: &capacity}
	object.NodeTopology = &metav1.LabelSelector{MatchLabels: map[string]string{zoneKey: zone}}
	if b.chance(20) {
		most := quantity("8Gi")
		object.MaximumVolumeSize = &most
	}
	b.others = append(b.others, object)
}

// volumesNode adds the attach limit of the node, and a few local disks.
func volumesNode(b *builder, node *v1.Node) {
	if b.chance(85) {
		driver := storage.CSINodeDriver{Name: csiDriver, NodeID: node.Name}
		if b.chance(75) {
			count := int32(1 + b.IntN(4))
			driver.Allocatable = &storage.VolumeNodeResources{Count: &count}
		}
		b.others = append(b.others, &storage.CSINode{ObjectMeta: metav1.ObjectMeta{Name: node.Name}, Spec: storage.CSINodeSpec{Drivers: []storage.CSINodeDriver{driver}}})
	}
	// The disks of a node differ in size: between equal ones upstream chooses by map order.
	for i := range b.IntN(3) {
		volume := newVolume(fmt.Sprintf("local-%s-%d", node.Name, i), "local", fmt.Sprintf("%dGi", pick(b, 5, 10, 20)+i))
		volume.Spec.PersistentVolumeSource = v1.PersistentVolumeSource{Local: &v1.LocalVolumeSource{Path: "/disk"}}
		volume.Spec.NodeAffinity = onlyWhere(hostKey, node.Name)
		b.others = append(b.others, volume)
	}
}

func newVolume(name, class, capacity string) *v1.PersistentVolume {
	return &v1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: v1.PersistentVolumeSpec{
			Capacity:         resources("storage", capacity),
			AccessModes:      []v1.PersistentVolumeAccessMode{v1.ReadWriteOnce},
			StorageClassName: class,
		},
		Status: v1.PersistentVolumeStatus{Phase: v1.VolumeAvailable},
	}
}

func onlyWhere(label string, values ...string) *v1.VolumeNodeAffinity {
	return &v1.VolumeNodeAffinity{Required: &v1.NodeSelector{NodeSelectorTerms: []v1.NodeSelectorTerm{{
		MatchExpressions: []v1.NodeSelectorRequirement{{Key: label, Operator: v1.NodeSelectorOpIn, Values: values}},
	}}}}
}

func newClaim(namespace, name, class, request string) *v1.PersistentVolumeClaim {
	return &v1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec: v1.PersistentVolumeClaimSpec{
			AccessModes:      []v1.PersistentVolumeAccessMode{v1.ReadWriteOnce},
			StorageClassName: &class,
			Resources:        v1.VolumeResourceRequirements{Requests: resources("storage", request)},
		},
		Status: v1.PersistentVolumeClaimStatus{Phase: v1.ClaimPending},
	}
}

// bindClaim marks claim and volume as the volume controller does once they belong together.
func bindClaim(claim *v1.PersistentVolumeClaim, volume *v1.PersistentVolume) {
	metav1.SetMetaDataAnnotation(&claim.ObjectMeta, bindCompleted, "yes")
	metav1.SetMetaDataAnnotation(&claim.ObjectMeta, boundBy, "yes")
	claim.Spec.VolumeName = volume.Name
	claim.Status.Phase = v1.ClaimBound
	volume.Spec.ClaimRef = &v1.ObjectReference{Kind: "PersistentVolumeClaim", APIVersion: "v1", Namespace: claim.Namespace, Name: claim.Name, UID: uid(claim)}
	volume.Status.Phase = v1.VolumeBound
}

func volumesPod(b *builder, pod *v1.Pod) {
	for i := range b.IntN(3) {
		volume := v1.Volume{Name: fmt.Sprintf("v%d", i)}
		switch kind := b.IntN(10); {
		case kind == 0:
			volume.VolumeSource = drawDisk(b)
		case kind == 1 && b.chance(50):
			volume.EmptyDir = &v1.EmptyDirVolumeSource{}
		case kind == 2 && len(b.shared) > 0:
			volume.PersistentVolumeClaim = &v1.PersistentVolumeClaimVolumeSource{ClaimName: b.sharedClaim(pod.Namespace)}
		default:
			volume.PersistentVolumeClaim = &v1.PersistentVolumeClaimVolumeSource{ClaimName: b.addClaim(pod, i)}
		}
		if volume.PersistentVolumeClaim != nil && volume.PersistentVolumeClaim.ClaimName == "" {
			continue
		}
		pod.Spec.Volumes = append(pod.Spec.Volumes, volume)
	}
}

// drawDisk is one of the few disks named in pods themselves, so that pods meet on them.
func drawDisk(b *builder) v1.VolumeSource {
	name, readOnly := pick(b, "d1", "d2"), b.chance(50)
	switch b.IntN(4) {
	case 0:
		return v1.VolumeSource{GCEPersistentDisk: &v1.GCEPersistentDiskVolumeSource{PDName: name, ReadOnly: readOnly}}
	case 1:
		return v1.VolumeSource{AWSElasticBlockStore: &v1.AWSElasticBlockStoreVolumeSource{VolumeID: name, ReadOnly: readOnly}}
	case 2:
		return v1.VolumeSource{ISCSI: &v1.ISCSIVolumeSource{TargetPortal: "p", IQN: name, ReadOnly: readOnly}}
	}
	return v1.VolumeSource{RBD: &v1.RBDVolumeSource{CephMonitors: []string{"m1", pick(b, "m2", "m3")}, RBDPool: "pool", RBDImage: name, ReadOnly: readOnly}}
}

// sharedClaim is a claim that another pod of the namespace uses already, or nothing.
func (b *builder) sharedClaim(namespace string) string {
	if names := b.shared[namespace]; len(names) > 0 {
		return pick(b, names...)
	}
	return ""
}

// addClaim makes a claim for the pod and returns its name. A bound pod has a bound claim.
func (b *builder) addClaim(pod *v1.Pod, number int) string {
	name := fmt.Sprintf("%s-%d", pod.Name, number)
	if pod.Spec.NodeName == "" {
		switch b.IntN(12) {
		case 0:
			if b.chance(50) {
				return "missing"
			}
		case 1:
			b.others = append(b.others, newClaim(pod.Namespace, name, "immediate", "5Gi"))
			return name
		case 2, 3, 4:
			b.others = append(b.others, newClaim(pod.Namespace, name, "local", pick(b, "1Gi", "8Gi", "15Gi")))
			return name
		case 5, 6, 7:
			b.others = append(b.others, newClaim(pod.Namespace, name, pick(b, "wait", "wait", "zoned"), pick(b, "1Gi", "10Gi", "50Gi")))
			return name
		}
	}
	claim, volume := newClaim(pod.Namespace, name, "immediate", "5Gi"), newVolume("pv-"+pod.Namespace+"-"+name, "immediate", "5Gi")
	volume.Spec.PersistentVolumeSource = v1.PersistentVolumeSource{CSI: &v1.CSIPersistentVolumeSource{Driver: csiDriver, VolumeHandle: volume.Name}}
	if b.chance(40) {
		volume.Spec.NodeAffinity = onlyWhere(zoneKey, pick(b, b.zones...))
	} else if b.chance(50) {
		volume.Labels = map[string]string{zoneKey: pick(b, "a", "b", "a__b", "b__c")}
	}
	if b.chance(20) {
		mode := []v1.PersistentVolumeAccessMode{v1.ReadWriteOncePod}
		claim.Spec.AccessModes, volume.Spec.AccessModes = mode, mode
	}
	bindClaim(claim, volume)
	b.others = append(b.others, claim, volume)
	if b.shared == nil {
		b.shared = map[string][]string{}
	}
	b.shared[pod.Namespace] = append(b.shared[pod.Namespace], name)
	return name
}
