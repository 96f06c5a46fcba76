package main

import (
	"strings"

	"k8s.io/apimachinery/pkg/util/sets"
	"sigs.k8s.io/karpenter/pkg/scheduling"
)

// Pair is two requirements on one label, and what follows.
type Pair struct {
	One        Req    `json:"one"`
	Other      Req    `json:"other"`
	Both       string `json:"both"`       // their intersection
	Intersects bool   `json:"intersects"` // HasIntersection
	Has        string `json:"has"`        // which of the probes the intersection allows
}

// Sets are two lists of requirements, and what follows.
type Sets struct {
	One        []Req  `json:"one"`
	Other      []Req  `json:"other"`
	Sum        string `json:"sum"`
	Intersects bool   `json:"intersects"`
	Strict     bool   `json:"strict"`
	Loose      bool   `json:"loose"`
}

var probes = []string{"a", "b", "1", "3", "5", "7", "-2", ""}

func (d draw) anyReq(key string) Req {
	r := Req{Key: key, Op: pick(d, "In", "In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt", "Gte", "Lte")}
	switch r.Op {
	case "In", "NotIn":
		r.Values = some(d, 0, "a", "b", "1", "3", "5")
	case "Exists", "DoesNotExist":
	default:
		r.Values = []string{pick(d, "0", "1", "3", "5", "9")}
	}
	if d.chance(20) {
		r.Min = 1 + d.Intn(4)
	}
	return r
}

func (d draw) pair() Pair {
	p := Pair{One: d.anyReq("key"), Other: d.anyReq("key")}
	one, other := requirement(p.One), requirement(p.Other)
	if d.chance(30) { // a third one first, so that bounds on both sides occur
		third := d.anyReq("key")
		p.One, one = third, requirement(third)
	}
	both := one.Intersection(other)
	p.Both, p.Intersects = both.String(), one.HasIntersection(other)
	var has []string
	for _, value := range probes {
		if both.Has(value) {
			has = append(has, value)
		}
	}
	p.Has = strings.Join(has, ",")
	return p
}

func (d draw) sets() Sets {
	keys := []string{zoneLabel, kindLabel, "x", "y"}
	var s Sets
	for range d.Intn(5) {
		s.One = append(s.One, d.anyReq(pick(d, keys...)))
	}
	for range d.Intn(4) {
		s.Other = append(s.Other, d.anyReq(pick(d, keys...)))
	}
	one, other := requirements(s.One), requirements(s.Other)
	s.Intersects = one.Intersects(other) == nil
	s.Strict = one.IsCompatible(other)
	s.Loose = one.IsCompatible(other, func(o *scheduling.CompatibilityOptions) { o.AllowUndefined = sets.New(zoneLabel, kindLabel) })
	one.Add(other.Values()...)
	s.Sum = one.String()
	return s
}
