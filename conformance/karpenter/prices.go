package main

import (
	"math"
	"sort"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clocktesting "k8s.io/utils/clock/testing"
	v1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/cloudprovider"
	"sigs.k8s.io/karpenter/pkg/controllers/disruption"
	ksched "sigs.k8s.io/karpenter/pkg/controllers/provisioning/scheduling"
	disruptionutils "sigs.k8s.io/karpenter/pkg/utils/disruption"
)

// Prices are types to choose from, and what follows for a node with requirements.
type Prices struct {
	Catalog int       `json:"catalog"`
	Reqs    []Req     `json:"reqs"`
	Order   []string  `json:"order"` // OrderByPrice
	Worst   []float64 `json:"worst"` // WorstLaunchPrice of each type; none: -1
	Needed  int       `json:"needed"`
	Missing []string  `json:"missing"`
	Max     float64   `json:"max"`
	Cheaper []string  `json:"cheaper"` // RemoveInstanceTypeOptionsByPriceAndMinValues; none where it fails
	Fails   bool      `json:"fails"`
	Cut     int       `json:"cut"`
	Short   bool      `json:"short"` // Truncate to Cut fails
}

func (d draw) prices() Prices {
	p := Prices{Missing: []string{}, Cheaper: []string{}}
	var types []Type
	p.Catalog, types = d.catalog(d.chance(30))
	for range d.Intn(4) {
		r := tidy(d.nodeReq())
		if d.chance(40) {
			r.Min = 1 + d.Intn(4)
		}
		p.Reqs = append(p.Reqs, r)
	}
	reqs := requirements(p.Reqs)
	var its cloudprovider.InstanceTypes
	for _, t := range types {
		its = append(its, t.object())
	}
	for _, it := range its {
		worst := it.Offerings.Launchable().WorstLaunchPrice(reqs)
		if worst == math.MaxFloat64 {
			worst = -1
		}
		p.Worst = append(p.Worst, worst)
	}
	needed, missing, _ := its.SatisfiesMinValues(reqs)
	p.Needed = needed
	for key := range missing {
		p.Missing = append(p.Missing, key)
	}
	sort.Strings(p.Missing)
	p.Max = pick(d, 0.05, 0.1, 0.3, 0.6, 2)
	claim := &ksched.NodeClaim{NodeClaimTemplate: ksched.NodeClaimTemplate{InstanceTypeOptions: append(cloudprovider.InstanceTypes{}, its...)}}
	claim, err := claim.RemoveInstanceTypeOptionsByPriceAndMinValues(reqs, p.Max)
	p.Fails = err != nil
	if err == nil {
		for _, it := range claim.InstanceTypeOptions {
			p.Cheaper = append(p.Cheaper, it.Name)
		}
	}
	p.Cut = 1 + d.Intn(len(its))
	ctx := contextWith(World{})
	_, err = append(cloudprovider.InstanceTypes{}, its...).Truncate(ctx, reqs, p.Cut)
	p.Short = err != nil
	for _, it := range its.OrderByPrice(reqs) {
		p.Order = append(p.Order, it.Name)
	}
	return p
}

// Cost is a pod's eviction cost, and a move's score.
type Cost struct {
	Deletion   *int32  `json:"deletion,omitempty"`
	Priority   int32   `json:"priority"`
	Eviction   float64 `json:"eviction"`
	Savings    float64 `json:"savings"`
	Disruption float64 `json:"disruption"`
	TotalCost  float64 `json:"totalCost"`
	Total      float64 `json:"total"`
	Score      float64 `json:"score"` // infinite: -1
	Approved   bool    `json:"approved"`
}

func (d draw) cost() Cost {
	pod := Pod{Requests: Amounts{}}
	c := Cost{Priority: int32(d.Uint32())}
	if d.chance(70) {
		cost := int32(d.Uint32())
		c.Deletion, pod.Cost = &cost, &cost
	}
	pod.Priority = c.Priority
	c.Eviction = disruptionutils.EvictionCost(contextWith(World{}), pod.object("pod"))
	c.Savings, c.Disruption = float64(d.Intn(200)-20)/16, float64(d.Intn(60))/4
	c.TotalCost, c.Total = float64(d.Intn(400))/8, float64(d.Intn(400))/4
	result := disruption.ScoreMove(c.Savings, c.Disruption, disruption.NodePoolTotals{TotalCost: c.TotalCost, TotalDisruptionCost: c.Total}, v1.BalancedK)
	c.Score, c.Approved = result.Score(), result.Approved()
	if math.IsInf(c.Score, 1) {
		c.Score = -1
	}
	return c
}

// Budgets are budgets of a pool, and how many of its nodes may go.
type Budgets struct {
	Budgets []Budget `json:"budgets"`
	Nodes   int      `json:"nodes"`
	Reason  string   `json:"reason"`
	Unix    int64    `json:"unix"`
	Allowed int      `json:"allowed"` // without limit: 2^31-1
}

type Budget struct {
	Reasons  []string `json:"reasons,omitempty"`
	Nodes    string   `json:"nodes"`
	Schedule string   `json:"schedule,omitempty"`
	Minutes  int      `json:"minutes,omitempty"`
}

func (d draw) budgets() Budgets {
	b := Budgets{Nodes: d.Intn(40), Reason: pick(d, "Empty", "Drifted", "Underutilized"), Unix: now.Unix() + int64(d.Intn(400*24*3600))}
	np := &v1.NodePool{}
	for range d.Intn(4) {
		one := Budget{Nodes: pick(d, "0", "1", "5", "10%", "33%", "100%", "0%")}
		if d.chance(30) {
			one.Reasons = some(d, 1, "Empty", "Drifted", "Underutilized")
		}
		object := v1.Budget{Nodes: one.Nodes}
		for _, reason := range one.Reasons {
			object.Reasons = append(object.Reasons, v1.DisruptionReason(reason))
		}
		if d.chance(50) {
			one.Schedule = pick(d, "@daily", "@hourly", "0 9 * * mon-fri", "*/20 * * * *", "30 2 1 * *", "15 3 * 2 sun", "@monthly")
			one.Minutes = pick(d, 5, 30, 60, 8*60, 26*60)
			object.Schedule, object.Duration = &one.Schedule, &metav1.Duration{Duration: time.Duration(one.Minutes) * time.Minute}
		}
		b.Budgets = append(b.Budgets, one)
		np.Spec.Disruption.Budgets = append(np.Spec.Disruption.Budgets, object)
	}
	clock := clocktesting.NewFakeClock(time.Unix(b.Unix, 0))
	b.Allowed = must(np.GetAllowedDisruptionsByReason(clock, b.Nodes, v1.DisruptionReason(b.Reason)))
	return b
}
