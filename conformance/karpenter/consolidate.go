package main

import (
	"context"
	"encoding/json"
	"sort"
	"time"

	"sigs.k8s.io/karpenter/pkg/controllers/disruption"
	"sigs.k8s.io/karpenter/pkg/operator/options"
)

// Consolidation is a world, and what the methods would do to it.
type Consolidation struct {
	World
	SpotToSpot bool           `json:"spotToSpot"`
	Budgets    map[string]int `json:"budgets"`
	Single     [][]Move       `json:"single"` // what would be done to each node by itself; all answers that differ
	Multi      [][]Move       `json:"multi"`  // what would be done to several nodes; all answers that differ
	Empty      []string       `json:"empty"`
}

// Move is what becomes of nodes.
type Move struct {
	Nodes   []string `json:"nodes"`
	Buys    *NewNode `json:"buys,omitempty"`
	Savings float64  `json:"savings"`
}

// unvalidated lets every command pass: what is compared is how it was found.
type unvalidated struct{}

func (unvalidated) Validate(_ context.Context, c disruption.Command, _ time.Duration) (disruption.Command, error) {
	return c, nil
}

func contextWith(w World) context.Context {
	return options.ToContext(context.Background(), settings(w, false))
}

func moveOf(c disruption.Command, number map[string]int) Move {
	m := Move{Savings: c.EstimatedSavings()}
	for _, candidate := range c.Candidates {
		m.Nodes = append(m.Nodes, candidate.Name())
	}
	sort.Strings(m.Nodes)
	for _, replacement := range c.Replacements {
		n := newNode(replacement.NodeClaim, number)
		n.Pods = []int{}
		m.Buys = &n
	}
	return m
}

// candidates asks upstream which nodes a method may take, sorted by name.
func candidates(e *env, method disruption.Method, queue *disruption.Queue) ([]*disruption.Candidate, map[string]disruption.NodePoolTotals) {
	list, totals, err := disruption.GetCandidatesWithTotals(e.ctx, e.cluster, e.client, e.recorder, e.clock, e.provider, method.ShouldDisrupt, disruption.GracefulDisruptionClass, queue, nil)
	check(err)
	sort.Slice(list, func(a, b int) bool { return list[a].Name() < list[b].Name() })
	return list, totals
}

func (d draw) consolidation() Consolidation {
	var w World
	w.Catalog, w.Types = d.catalog(false)
	w.Pools = d.thePools(len(w.Types))
	for at := range w.Pools {
		w.Pools[at].Policy = pick(d, "WhenEmpty", "WhenEmptyOrUnderutilized", "WhenEmptyOrUnderutilized", "Balanced")
	}
	rules := pick(d, 0, 0, 20)
	for range 1 + d.Intn(5) {
		w.Classes = append(w.Classes, d.theClass(rules))
	}
	d.theNodes(&w, 2+d.Intn(8), true)
	for range d.Intn(3) {
		w.Pods = append(w.Pods, d.Intn(len(w.Classes)))
	}
	w.Ignore, w.BestEffort = d.chance(10), d.chance(10)
	c := Consolidation{World: w, SpotToSpot: d.chance(60), Budgets: map[string]int{}, Empty: []string{}}
	for _, pool := range w.Pools {
		c.Budgets[pool.Name] = pick(d, 0, 1, 2, 5, 100)
	}
	return c
}

// leavesToChance says whether a rule about other pods may leave several domains equally good.
func (w World) leavesToChance() bool {
	for _, c := range w.Classes {
		if len(c.Near)+len(c.NearSoft)+len(c.Apart)+len(c.ApartSoft)+len(c.Spread) > 0 {
			return true
		}
	}
	return false
}

// record drives the real methods, several times where the answer may be left to chance.
func (c *Consolidation) record() {
	e := build(c.World, c.SpotToSpot)
	queue := disruption.NewQueue(e.client, e.recorder, e.cluster, e.clock, e.provisioner)
	common := disruption.MakeConsolidation(e.clock, e.cluster, e.client, e.provisioner, e.provider, e.recorder, queue)
	pass := disruption.WithValidator(unvalidated{})
	unlimited := map[string]int{}
	for _, pool := range c.Pools {
		unlimited[pool.Name] = 1000
	}
	times := 1
	if c.leavesToChance() {
		times = asked
	}
	seen := map[string]bool{}
	for try := 0; try < times || len(c.Single)+len(c.Multi) > 2 && try < askedOfChance; try++ {
		single := []Move{}
		list, totals := candidates(e, disruption.NewSingleNodeConsolidation(common, pass), queue)
		for _, candidate := range list {
			method := disruption.NewSingleNodeConsolidation(common, pass)
			method.SetNodePoolTotals(totals)
			e.cluster.MarkUnconsolidated()
			for _, command := range must(method.ComputeCommands(e.ctx, copied(unlimited), candidate)) {
				single = append(single, moveOf(command, nil))
			}
		}
		if key := "single" + string(must(json.Marshal(single))); !seen[key] {
			seen[key] = true
			c.Single = append(c.Single, single)
		}
		method := disruption.NewMultiNodeConsolidation(common, pass)
		list, totals = candidates(e, method, queue)
		method.SetNodePoolTotals(totals)
		e.cluster.MarkUnconsolidated()
		multi := []Move{}
		for _, command := range must(method.ComputeCommands(e.ctx, copied(c.Budgets), list...)) {
			multi = append(multi, moveOf(command, nil))
		}
		if key := "multi" + string(must(json.Marshal(multi))); !seen[key] {
			seen[key] = true
			c.Multi = append(c.Multi, multi)
		}
	}
	emptiness := disruption.NewEmptiness(common, pass)
	list, _ := candidates(e, emptiness, queue)
	e.cluster.MarkUnconsolidated()
	for _, command := range must(emptiness.ComputeCommands(e.ctx, copied(c.Budgets), list...)) {
		c.Empty = append(c.Empty, moveOf(command, nil).Nodes...)
	}
}

func copied(of map[string]int) map[string]int {
	back := map[string]int{}
	for key, value := range of {
		back[key] = value
	}
	return back
}
