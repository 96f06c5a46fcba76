package main

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corev1helpers "k8s.io/component-helpers/scheduling/corev1"
)

type outcome int

const (
	left outcome = iota
	bound
	nominated
)

// epoch is when the bound pods of a case began to start; pods bound by its steps start a day later, one a second.
var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// advance carries out the decision of a step on the cluster, and records it.
func (c *cycle) advance(number int) outcome {
	if c.step.Score != nil {
		c.bind(number)
		return bound
	}
	preemption := c.step.Preemption
	if preemption == nil {
		return left
	}
	if len(preemption.Best) > 0 {
		c.preempt(preemption.Best[0])
		return nominated
	}
	if c.clearNomination {
		c.nominate(key(c.pod), "")
	}
	if len(c.released) > 0 {
		if c.step.After == nil {
			c.step.After = &after{}
		}
		c.applyChanges(c.released)
	}
	return left
}

func (c *cycle) bind(number int) {
	node := ""
	for i, bit := range c.step.Score.Best {
		if bit == '1' {
			node = c.nodes[i].Node().Name
			break
		}
	}
	started := metav1.NewTime(epoch.Add(24*time.Hour + time.Duration(number)*time.Second))
	c.step.After = &after{Bind: node, StartTime: started.UTC().Format(time.RFC3339)}
	pod := c.pod.DeepCopy()
	pod.Spec.NodeName = node
	changed := c.bindResources(pod, node)
	pod.Status.StartTime = &started
	c.world.apply(pod)
	c.applyChanges(changed)
}

// preempt removes the victims of a candidate at once, nominates the pod, and takes the nomination from pods of lower
// priority there, as upstream does while it waits for the victims to end.
func (c *cycle) preempt(node string) {
	for _, candidate := range c.step.Preemption.Candidates {
		if candidate.Node == node {
			c.step.After = &after{Delete: candidate.Victims}
		}
	}
	for _, victim := range c.step.After.Delete {
		c.world.removePod(victim)
	}
	for _, other := range c.world.scheduler.SchedulingQueue.NominatedPodsForNode(node) {
		if corev1helpers.PodPriority(other.GetPod()) < corev1helpers.PodPriority(c.pod) {
			c.nominate(key(other.GetPod()), "")
		}
	}
	c.nominate(key(c.pod), node)
}

func (c *cycle) nominate(pod, node string) {
	if c.step.After == nil {
		c.step.After = &after{}
	}
	if c.step.After.Nominate == nil {
		c.step.After.Nominate = map[string]string{}
	}
	c.step.After.Nominate[pod] = node
	changed := c.world.pod(pod).DeepCopy()
	changed.Status.NominatedNodeName = node
	c.world.apply(changed)
}
