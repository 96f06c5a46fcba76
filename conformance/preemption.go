package main

import (
	"cmp"
	"math"
	"slices"

	policy "k8s.io/api/policy/v1"
	corev1helpers "k8s.io/component-helpers/scheduling/corev1"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/defaultpreemption"
	"k8s.io/kubernetes/pkg/scheduler/framework/preemption"
	"k8s.io/kubernetes/pkg/scheduler/util"
)

// recordPreemption runs the real dry run over every node that preemption may help. The plug-in's own entry point is called only
// where nothing is found: it would pick one of the tied candidates by map order and evict the victims behind our back.
func (c *cycle) recordPreemption() {
	plugin := pluginsOf(c.profile)[defaultpreemption.Name].(*defaultpreemption.DefaultPreemption)
	candidates := c.candidates(plugin)
	result := &preemptionResult{}
	c.step.Preemption = result
	if len(candidates) == 0 {
		c.world.client.ClearActions()
		outcome, status := c.profile.RunPostFilterPlugins(c.world.ctx, c.state, c.pod, c.statuses)
		// An error is an answer here: DynamicResources gives one when an earlier plug-in ended pre-filter, and its text
		// ("not found") ends up in the pod's condition.
		c.clearNomination = outcome != nil && outcome.Mode() == fwk.ModeOverride && c.pod.Status.NominatedNodeName != ""
		result.Message = status.Message()
		// DynamicResources may give devices back that keep the pod from other nodes.
		c.released = c.answer(c.world.client.Actions(), "")
		return
	}
	for _, candidate := range candidates {
		victims := candidate.Victims()
		entry := preemptionCandidate{Node: candidate.Name(), Violations: victims.NumPDBViolations}
		for _, victim := range victims.Pods {
			entry.Victims = append(entry.Victims, key(victim))
		}
		result.Candidates = append(result.Candidates, entry)
	}
	result.Best = bestCandidates(candidates)
	chosen := plugin.Evaluator.SelectCandidate(c.world.ctx, candidates)
	if !slices.Contains(result.Best, chosen.Name()) {
		panic("the real choice of a candidate is not among the tied ones")
	}
}

// candidates are the outcome of the dry run in the order of the snapshot list. All nodes are tried, so that the random
// offset at which upstream begins has no effect.
func (c *cycle) candidates(plugin *defaultpreemption.DefaultPreemption) []preemption.Candidate {
	if ok, _ := plugin.PodEligibleToPreemptOthers(c.world.ctx, c.pod, c.statuses.Get(c.pod.Status.NominatedNodeName)); !ok {
		return nil
	}
	nodes, err := c.statuses.NodesForStatusCode(c.world.snapshot.NodeInfos(), fwk.Unschedulable)
	must(err)
	if len(nodes) == 0 {
		return nil
	}
	// Nodes whose dry run ends in an error are no candidates; upstream goes on with the others.
	candidates, _, _ := plugin.Evaluator.DryRunPreemption(c.world.ctx, c.state, c.pod, nodes, c.budgets(), 0, int32(len(nodes)))
	slices.SortFunc(candidates, func(a, b preemption.Candidate) int {
		return cmp.Compare(c.index(a.Name()), c.index(b.Name()))
	})
	return candidates
}

func (c *cycle) budgets() []*policy.PodDisruptionBudget {
	var budgets []*policy.PodDisruptionBudget
	for _, object := range c.world.list(&policy.PodDisruptionBudget{}) {
		budgets = append(budgets, object.(*policy.PodDisruptionBudget))
	}
	return budgets
}

// bestCandidates are those that tie after all of upstream's criteria; upstream takes any of them.
func bestCandidates(candidates []preemption.Candidate) []string {
	type rank [5]int64
	ranks := make([]rank, len(candidates))
	for i, candidate := range candidates {
		victims := candidate.Victims()
		var sum int64
		for _, victim := range victims.Pods {
			sum += int64(corev1helpers.PodPriority(victim)) + int64(math.MaxInt32+1)
		}
		ranks[i] = rank{
			victims.NumPDBViolations,
			int64(corev1helpers.PodPriority(victims.Pods[0])),
			sum,
			int64(len(victims.Pods)),
			-util.GetEarliestPodStartTime(victims).UnixNano(),
		}
	}
	least := slices.MinFunc(ranks, func(a, b rank) int { return slices.Compare(a[:], b[:]) })
	var best []string
	for i, candidate := range candidates {
		if ranks[i] == least {
			best = append(best, candidate.Name())
		}
	}
	return best
}
