package main

import (
	"errors"
	"fmt"
	"slices"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"
)

// cycle is one scheduling attempt under observation.
type cycle struct {
	world    *world
	profile  framework.Framework
	pod      *v1.Pod
	nodes    []fwk.NodeInfo
	state    fwk.CycleState
	statuses *framework.NodeToStatus
	feasible []fwk.NodeInfo
	step     step

	// clearNomination is set when post-filter found nothing and asks for the pod's nomination to be taken back.
	clearNomination bool
	// released are the claims that post-filter deallocated.
	released []runtime.Object
}

// runStep tries one pod and records every verdict. The state of the cluster stays as it is.
func runStep(w *world, podKey string) *cycle {
	w.refresh()
	c := &cycle{world: w, pod: w.pod(podKey), step: step{Pod: podKey}}
	c.profile = w.scheduler.Profiles[c.pod.Spec.SchedulerName]
	var err error
	c.nodes, err = w.snapshot.List()
	must(err)
	c.recordPlugins()
	c.recordFilter()
	if len(c.feasible) > 0 {
		c.recordScores()
	}
	c.compareWithRealCycle()
	if len(c.feasible) == 0 && c.profile.HasPostFilterPlugins() {
		c.recordPreemption()
	}
	return c
}

// recordPlugins runs each pre-filter and filter plug-in on its own, so that a wrong plug-in is not hidden behind
// another one that fails first.
func (c *cycle) recordPlugins() {
	state := framework.NewCycleState()
	result := preFilter{Reject: map[string]reason{}, Nodes: map[string][]string{}}
	left := map[string]bool{}
	for _, plugin := range preFilterPlugins(c.profile) {
		nodes, status := plugin.PreFilter(c.world.ctx, state, c.pod, c.nodes)
		switch {
		case status.IsSkip():
			result.Skip = append(result.Skip, plugin.Name())
			left[plugin.Name()] = true
		case !status.IsSuccess():
			mustBeVerdict(plugin.Name(), status)
			result.Reject[plugin.Name()] = reason{Code: code(status.Code()), Reasons: sortedReasons(status)}
			left[plugin.Name()] = true
		case !nodes.AllNodes():
			result.Nodes[plugin.Name()] = slices.Sorted(slices.Values(nodes.NodeNames.UnsortedList()))
		}
	}
	slices.Sort(result.Skip)
	c.step.PreFilter = &result
	c.step.Plugins = map[string]pluginFilter{}
	for _, plugin := range filterPlugins(c.profile) {
		if !left[plugin.Name()] {
			c.recordPlugin(plugin, state)
		}
	}
}

func (c *cycle) recordPlugin(plugin fwk.FilterPlugin, state fwk.CycleState) {
	ok := newBits(len(c.nodes))
	why := newReasonSet(len(c.nodes))
	for i, node := range c.nodes {
		status := plugin.Filter(c.world.ctx, state, c.pod, node)
		if status.IsSuccess() {
			ok.set(i)
			continue
		}
		mustBeVerdict(plugin.Name(), status)
		why.add(i, "", status)
	}
	if reasons := why.finish(); len(reasons) > 0 {
		c.step.Plugins[plugin.Name()] = pluginFilter{OK: ok.String(), Why: reasons}
	}
}

// recordFilter follows upstream's own order: pre-filter, the nominated node alone, then all nodes.
func (c *cycle) recordFilter() {
	c.state = framework.NewCycleState()
	c.statuses = framework.NewDefaultNodeToStatus()
	result, status, plugins := c.profile.RunPreFilterPlugins(c.world.ctx, c.state, c.pod)
	if !status.IsSuccess() {
		mustBeVerdict("pre-filter", status)
		c.statuses.SetAbsentNodesStatus(status)
		c.step.Filter = filterResult{
			OK:        newBits(len(c.nodes)).String(),
			PreFilter: &reason{Plugin: status.Plugin(), Code: code(status.Code()), Reasons: sortedReasons(status)},
		}
		return
	}
	if c.recordNominated() {
		return
	}
	absent := fwk.NewStatus(fwk.UnschedulableAndUnresolvable, fmt.Sprintf("node(s) didn't satisfy plugin(s) %v", slices.Sorted(slices.Values(plugins.UnsortedList()))))
	if !result.AllNodes() {
		c.statuses.SetAbsentNodesStatus(absent)
	}
	ok := newBits(len(c.nodes))
	why := newReasonSet(len(c.nodes))
	for i, node := range c.nodes {
		if !result.AllNodes() && !result.NodeNames.Has(node.Node().Name) {
			why.add(i, "", absent)
			continue
		}
		status := c.profile.RunFilterPluginsWithNominatedPods(c.world.ctx, c.state, c.pod, node)
		if status.IsSuccess() {
			ok.set(i)
			c.feasible = append(c.feasible, node)
			continue
		}
		mustBeVerdict("filter", status)
		c.statuses.Set(node.Node().Name, status)
		why.add(i, status.Plugin(), status)
	}
	c.step.Filter = filterResult{OK: ok.String(), Why: why.finish()}
}

// recordNominated tries the node for which an earlier preemption made room, and reports whether the pod fits there.
func (c *cycle) recordNominated() bool {
	for i, node := range c.nodes {
		if node.Node().Name != c.pod.Status.NominatedNodeName {
			continue
		}
		if !c.profile.RunFilterPluginsWithNominatedPods(c.world.ctx, c.state, c.pod, node).IsSuccess() {
			return false
		}
		ok := newBits(len(c.nodes))
		ok.set(i)
		c.feasible = []fwk.NodeInfo{node}
		c.step.Filter = filterResult{OK: ok.String(), Nominated: true}
		return true
	}
	return false
}

func (c *cycle) recordScores() {
	must(c.profile.RunPreScorePlugins(c.world.ctx, c.state, c.pod, c.feasible).AsError())
	scores, status := c.profile.RunScorePlugins(c.world.ctx, c.state, c.pod, c.feasible)
	must(status.AsError())
	result := &scoreResult{Raw: map[string][]int64{}, Weighted: map[string][]int64{}}
	result.Skip = slices.Sorted(slices.Values(c.state.GetSkipScorePlugins().UnsortedList()))
	best := int64(-1)
	for _, node := range scores {
		for _, score := range node.RawScores {
			result.Raw[score.Name] = append(result.Raw[score.Name], score.Score)
		}
		for _, score := range node.Scores {
			result.Weighted[score.Name] = append(result.Weighted[score.Name], score.Score)
		}
		result.Total = append(result.Total, node.TotalScore)
		best = max(best, node.TotalScore)
	}
	bestSet := newBits(len(c.nodes))
	for i, node := range c.feasible {
		if scores[i].TotalScore == best {
			bestSet.set(c.index(node.Node().Name))
		}
	}
	result.Best = bestSet.String()
	c.step.Score = result
}

// compareWithRealCycle runs the scheduler's own SchedulePod beside the recorded parts, as a check of this program, and
// takes the message of a refusal from it.
func (c *cycle) compareWithRealCycle() {
	podInfo, err := framework.NewPodInfo(c.pod)
	must(err)
	queued := &framework.QueuedPodInfo{PodInfo: podInfo}
	result, err := c.world.scheduler.SchedulePod(c.world.ctx, c.profile, framework.NewCycleState(), queued)
	var fitError *framework.FitError
	if errors.As(err, &fitError) {
		if len(c.feasible) != 0 {
			panic("the real cycle finds no node where the recorded one does")
		}
		c.step.Message = fitError.Error()
		return
	}
	must(err)
	if result.FeasibleNodes != len(c.feasible) || c.step.Score.Best[c.index(result.SuggestedHost)] != '1' {
		panic(fmt.Sprintf("the real cycle of %s differs from the recorded one", c.step.Pod))
	}
}

// index is the place of a node in the snapshot list.
func (c *cycle) index(name string) int {
	return slices.IndexFunc(c.nodes, func(node fwk.NodeInfo) bool { return node.Node().Name == name })
}

// mustBeVerdict stops on statuses that tell of an error of the set-up instead of a refusal.
func mustBeVerdict(where string, status *fwk.Status) {
	if !status.IsRejected() {
		panic(fmt.Sprintf("%s: %s: %v", where, status.Plugin(), status.AsError()))
	}
}
