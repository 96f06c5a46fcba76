package main

import (
	"fmt"
	"time"

	"github.com/awslabs/operatorpkg/status"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	v1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/cloudprovider"
	"sigs.k8s.io/karpenter/pkg/scheduling"
)

// The types below are what a vector holds: plain data, from which both sides make their own objects.

type Req struct {
	Key    string   `json:"key"`
	Op     string   `json:"op"`
	Values []string `json:"values,omitempty"`
	Min    int      `json:"min,omitempty"`
}

type Taint struct {
	Key    string `json:"key"`
	Value  string `json:"value,omitempty"`
	Effect string `json:"effect"`
}

type Toleration struct {
	Key    string `json:"key,omitempty"`
	Op     string `json:"op"`
	Value  string `json:"value,omitempty"`
	Effect string `json:"effect,omitempty"`
}

type Amounts map[string]int64 // cpu in milli-cores, everything else in whole units

type Offering struct {
	Zone        string  `json:"zone"`
	Capacity    string  `json:"capacity"`
	Price       float64 `json:"price"`
	Unavailable bool    `json:"unavailable,omitempty"`
	Reservation string  `json:"reservation,omitempty"`
	Left        int     `json:"left,omitempty"`
}

type Type struct {
	Name      string     `json:"name"`
	Reqs      []Req      `json:"reqs,omitempty"`
	Capacity  Amounts    `json:"capacity"`
	Overhead  Amounts    `json:"overhead,omitempty"`
	Offerings []Offering `json:"offerings"`
}

type Pool struct {
	Name   string            `json:"name"`
	Weight int32             `json:"weight,omitempty"`
	Limits Amounts           `json:"limits,omitempty"`
	Labels map[string]string `json:"labels,omitempty"`
	Taints []Taint           `json:"taints,omitempty"`
	Reqs   []Req             `json:"reqs,omitempty"`
	Policy string            `json:"policy,omitempty"`
	Types  []int             `json:"types"`
}

type Term struct {
	Selector   []Req    `json:"selector"`
	Key        string   `json:"key"`
	Namespaces []string `json:"namespaces,omitempty"`
}

type WeightedTerm struct {
	Weight int32 `json:"weight"`
	Term   Term  `json:"term"`
}

type WeightedReqs struct {
	Weight int32 `json:"weight"`
	Reqs   []Req `json:"reqs"`
}

type Spread struct {
	Skew     int32    `json:"skew"`
	Key      string   `json:"key"`
	Soft     bool     `json:"soft,omitempty"`
	Selector []Req    `json:"selector"`
	Min      int32    `json:"min,omitempty"`
	Any      bool     `json:"any,omitempty"`    // nodeAffinityPolicy: Ignore
	Taints   bool     `json:"taints,omitempty"` // nodeTaintsPolicy: Honor
	Match    []string `json:"match,omitempty"`
}

type Pod struct {
	Namespace   string            `json:"namespace,omitempty"`
	Labels      map[string]string `json:"labels,omitempty"`
	Requests    Amounts           `json:"requests"`
	Selector    map[string]string `json:"selector,omitempty"`
	Required    [][]Req           `json:"required,omitempty"`
	Preferred   []WeightedReqs    `json:"preferred,omitempty"`
	Near        []Term            `json:"near,omitempty"`
	NearSoft    []WeightedTerm    `json:"nearSoft,omitempty"`
	Apart       []Term            `json:"apart,omitempty"`
	ApartSoft   []WeightedTerm    `json:"apartSoft,omitempty"`
	Spread      []Spread          `json:"spread,omitempty"`
	Tolerations []Toleration      `json:"tolerations,omitempty"`
	Ports       []int32           `json:"ports,omitempty"`
	Cost        *int32            `json:"cost,omitempty"`
	Priority    int32             `json:"priority,omitempty"`
}

type Node struct {
	Name          string            `json:"name"`
	Labels        map[string]string `json:"labels"`
	Taints        []Taint           `json:"taints,omitempty"`
	Allocatable   Amounts           `json:"allocatable"`
	Uninitialized bool              `json:"uninitialized,omitempty"`
	Pods          []int             `json:"pods,omitempty"`    // classes
	Daemons       []int             `json:"daemons,omitempty"` // daemons that run already
}

type World struct {
	Catalog    int    `json:"catalog"` // the line of catalogs.jsonl.gz with the types
	Types      []Type `json:"-"`
	Pools      []Pool `json:"pools"`
	Classes    []Pod  `json:"classes"`
	Daemons    []Pod  `json:"daemons,omitempty"`
	Nodes      []Node `json:"nodes,omitempty"`
	Pods       []int  `json:"pods"` // classes; the position is the pod's id
	Ignore     bool   `json:"ignore,omitempty"`
	BestEffort bool   `json:"bestEffort,omitempty"`
	Strict     bool   `json:"strict,omitempty"`
}

const reservationLabel = "example.com/reservation-id"

func init() {
	cloudprovider.ReservationIDLabel = reservationLabel
	cloudprovider.ReservedCapacityLabels.Insert(reservationLabel)
	v1.WellKnownLabels.Insert(reservationLabel, "example.com/family", "example.com/size")
}

func amounts(from Amounts) corev1.ResourceList {
	list := corev1.ResourceList{}
	for name, amount := range from {
		if name == "cpu" {
			list[corev1.ResourceCPU] = *resource.NewMilliQuantity(amount, resource.DecimalSI)
		} else {
			list[corev1.ResourceName(name)] = *resource.NewQuantity(amount, resource.DecimalSI)
		}
	}
	return list
}

// of turns quantities back into the numbers of a vector.
func of(list corev1.ResourceList) Amounts {
	back := Amounts{}
	for name, quantity := range list {
		if name == corev1.ResourceCPU {
			back[string(name)] = quantity.MilliValue()
		} else {
			back[string(name)] = quantity.Value()
		}
	}
	return back
}

func taints(from []Taint) (list []corev1.Taint) {
	for _, t := range from {
		list = append(list, corev1.Taint{Key: t.Key, Value: t.Value, Effect: corev1.TaintEffect(t.Effect)})
	}
	return list
}

func expressions(from []Req) (list []corev1.NodeSelectorRequirement) {
	for _, r := range from {
		list = append(list, corev1.NodeSelectorRequirement{Key: r.Key, Operator: corev1.NodeSelectorOperator(r.Op), Values: append([]string{}, r.Values...)})
	}
	return list
}

func selector(from []Req) *metav1.LabelSelector {
	if from == nil {
		return nil
	}
	s := &metav1.LabelSelector{}
	for _, r := range from {
		s.MatchExpressions = append(s.MatchExpressions, metav1.LabelSelectorRequirement{Key: r.Key, Operator: metav1.LabelSelectorOperator(r.Op), Values: append([]string{}, r.Values...)})
	}
	return s
}

func term(from Term) corev1.PodAffinityTerm {
	return corev1.PodAffinityTerm{LabelSelector: selector(from.Selector), TopologyKey: from.Key, Namespaces: from.Namespaces}
}

func requirement(r Req) *scheduling.Requirement {
	var min *int
	if r.Min > 0 {
		min = &r.Min
	}
	return scheduling.NewRequirementWithFlexibility(r.Key, corev1.NodeSelectorOperator(r.Op), min, append([]string{}, r.Values...)...)
}

func requirements(from []Req) scheduling.Requirements {
	rs := scheduling.NewRequirements()
	for _, r := range from {
		rs.Add(requirement(r))
	}
	return rs
}

func (t Type) object() *cloudprovider.InstanceType {
	rs := scheduling.NewRequirements(scheduling.NewRequirement(corev1.LabelInstanceTypeStable, corev1.NodeSelectorOpIn, t.Name))
	var zones, kinds []string
	it := &cloudprovider.InstanceType{Name: t.Name, Capacity: amounts(t.Capacity), Overhead: &cloudprovider.InstanceTypeOverhead{KubeReserved: amounts(t.Overhead)}}
	for _, o := range t.Offerings {
		labels := map[string]string{corev1.LabelTopologyZone: o.Zone, v1.CapacityTypeLabelKey: o.Capacity}
		if o.Reservation != "" {
			labels[reservationLabel] = o.Reservation
		}
		it.Offerings = append(it.Offerings, &cloudprovider.Offering{Requirements: scheduling.NewLabelRequirements(labels), Price: o.Price, Available: !o.Unavailable, ReservationCapacity: o.Left})
		if !o.Unavailable {
			zones, kinds = append(zones, o.Zone), append(kinds, o.Capacity)
		}
	}
	rs.Add(scheduling.NewRequirement(corev1.LabelTopologyZone, corev1.NodeSelectorOpIn, zones...))
	rs.Add(scheduling.NewRequirement(v1.CapacityTypeLabelKey, corev1.NodeSelectorOpIn, kinds...))
	for _, r := range t.Reqs {
		rs.Add(requirement(r))
	}
	it.Requirements = rs
	return it
}

func (p Pool) object() *v1.NodePool {
	np := &v1.NodePool{ObjectMeta: metav1.ObjectMeta{Name: p.Name, UID: types.UID(p.Name)}}
	np.Spec.Template.Spec.NodeClassRef = &v1.NodeClassReference{Group: "example.com", Kind: "NodeClass", Name: "default"}
	np.Spec.Template.Labels = p.Labels
	np.Spec.Template.Spec.Taints = taints(p.Taints)
	for _, r := range p.Reqs {
		full := v1.NodeSelectorRequirementWithMinValues{Key: r.Key, Operator: corev1.NodeSelectorOperator(r.Op), Values: append([]string{}, r.Values...)}
		if r.Min > 0 {
			min := r.Min
			full.MinValues = &min
		}
		np.Spec.Template.Spec.Requirements = append(np.Spec.Template.Spec.Requirements, full)
	}
	if p.Weight > 0 {
		weight := p.Weight
		np.Spec.Weight = &weight
	}
	if p.Limits != nil {
		np.Spec.Limits = v1.Limits(amounts(p.Limits))
	}
	zero := time.Duration(0)
	np.Spec.Disruption.ConsolidateAfter = v1.NillableDuration{Duration: &zero}
	np.Spec.Disruption.ConsolidationPolicy = v1.ConsolidationPolicyWhenEmptyOrUnderutilized
	if p.Policy != "" {
		np.Spec.Disruption.ConsolidationPolicy = v1.ConsolidationPolicy(p.Policy)
	}
	np.StatusConditions().SetTrue(v1.ConditionTypeValidationSucceeded)
	np.StatusConditions().SetTrue(v1.ConditionTypeNodeClassReady)
	np.StatusConditions().SetTrue(status.ConditionReady)
	return np
}

// object makes a pod of a class; id decides its name and its place in the order of unique ids.
func (p Pod) object(id string) *corev1.Pod {
	namespace := p.Namespace
	if namespace == "" {
		namespace = "default"
	}
	pod := &corev1.Pod{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"},
		ObjectMeta: metav1.ObjectMeta{Name: id, Namespace: namespace, UID: types.UID(id), Labels: p.Labels, Annotations: map[string]string{}},
		Spec: corev1.PodSpec{
			NodeSelector: p.Selector,
			Containers:   []corev1.Container{{Name: "main", Resources: corev1.ResourceRequirements{Requests: amounts(p.Requests)}}},
			Priority:     &p.Priority,
		},
		Status: corev1.PodStatus{Phase: corev1.PodPending, Conditions: []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonUnschedulable}}},
	}
	if p.Cost != nil {
		pod.Annotations[corev1.PodDeletionCost] = fmt.Sprint(*p.Cost)
	}
	for _, port := range p.Ports {
		pod.Spec.Containers[0].Ports = append(pod.Spec.Containers[0].Ports, corev1.ContainerPort{HostPort: port, ContainerPort: port, Protocol: corev1.ProtocolTCP})
	}
	for _, t := range p.Tolerations {
		pod.Spec.Tolerations = append(pod.Spec.Tolerations, corev1.Toleration{Key: t.Key, Operator: corev1.TolerationOperator(t.Op), Value: t.Value, Effect: corev1.TaintEffect(t.Effect)})
	}
	for _, s := range p.Spread {
		pod.Spec.TopologySpreadConstraints = append(pod.Spec.TopologySpreadConstraints, s.object())
	}
	pod.Spec.Affinity = p.affinity()
	return pod
}

func (s Spread) object() corev1.TopologySpreadConstraint {
	c := corev1.TopologySpreadConstraint{MaxSkew: s.Skew, TopologyKey: s.Key, WhenUnsatisfiable: corev1.DoNotSchedule, LabelSelector: selector(s.Selector), MatchLabelKeys: s.Match}
	if s.Soft {
		c.WhenUnsatisfiable = corev1.ScheduleAnyway
	}
	if s.Min > 0 {
		min := s.Min
		c.MinDomains = &min
	}
	if s.Any {
		ignore := corev1.NodeInclusionPolicyIgnore
		c.NodeAffinityPolicy = &ignore
	}
	if s.Taints {
		honor := corev1.NodeInclusionPolicyHonor
		c.NodeTaintsPolicy = &honor
	}
	return c
}

func (p Pod) affinity() *corev1.Affinity {
	a := &corev1.Affinity{}
	if len(p.Required)+len(p.Preferred) > 0 {
		a.NodeAffinity = &corev1.NodeAffinity{}
		if len(p.Required) > 0 {
			a.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution = &corev1.NodeSelector{}
			for _, alternative := range p.Required {
				terms := &a.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms
				*terms = append(*terms, corev1.NodeSelectorTerm{MatchExpressions: expressions(alternative)})
			}
		}
		for _, w := range p.Preferred {
			a.NodeAffinity.PreferredDuringSchedulingIgnoredDuringExecution = append(a.NodeAffinity.PreferredDuringSchedulingIgnoredDuringExecution,
				corev1.PreferredSchedulingTerm{Weight: w.Weight, Preference: corev1.NodeSelectorTerm{MatchExpressions: expressions(w.Reqs)}})
		}
	}
	if len(p.Near)+len(p.NearSoft) > 0 {
		a.PodAffinity = &corev1.PodAffinity{}
		for _, t := range p.Near {
			a.PodAffinity.RequiredDuringSchedulingIgnoredDuringExecution = append(a.PodAffinity.RequiredDuringSchedulingIgnoredDuringExecution, term(t))
		}
		for _, w := range p.NearSoft {
			a.PodAffinity.PreferredDuringSchedulingIgnoredDuringExecution = append(a.PodAffinity.PreferredDuringSchedulingIgnoredDuringExecution, corev1.WeightedPodAffinityTerm{Weight: w.Weight, PodAffinityTerm: term(w.Term)})
		}
	}
	if len(p.Apart)+len(p.ApartSoft) > 0 {
		a.PodAntiAffinity = &corev1.PodAntiAffinity{}
		for _, t := range p.Apart {
			a.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution = append(a.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution, term(t))
		}
		for _, w := range p.ApartSoft {
			a.PodAntiAffinity.PreferredDuringSchedulingIgnoredDuringExecution = append(a.PodAntiAffinity.PreferredDuringSchedulingIgnoredDuringExecution, corev1.WeightedPodAffinityTerm{Weight: w.Weight, PodAffinityTerm: term(w.Term)})
		}
	}
	return a
}
