package main

import (
	"fmt"
	"math"
	"math/rand"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	v1 "sigs.k8s.io/karpenter/pkg/apis/v1"
)

// draw makes random worlds. Everything comes from one generator, so that a seed gives the same worlds everywhere.
type draw struct{ *rand.Rand }

func (d draw) chance(percent int) bool { return d.Intn(100) < percent }
func pick[T any](d draw, of ...T) T    { return of[d.Intn(len(of))] }
func some[T any](d draw, least int, of ...T) []T {
	order := d.Perm(len(of))[:least+d.Intn(len(of)-least+1)]
	var list []T
	for _, at := range order {
		list = append(list, of[at])
	}
	return list
}

var zones = []string{"zone-a", "zone-b", "zone-c"}

const (
	zoneLabel   = corev1.LabelTopologyZone
	hostLabel   = corev1.LabelHostname
	typeLabel   = corev1.LabelInstanceTypeStable
	kindLabel   = v1.CapacityTypeLabelKey
	familyLabel = "example.com/family" // well known
	sizeLabel   = "example.com/size"   // well known, a number
	teamLabel   = "example.com/team"   // known to pools that define it
)

// theTypes sells families in sizes at prices that differ, so that order never depends on ties.
func (d draw) theTypes(reserved bool) []Type {
	var types []Type
	count := pick(d, 3, 6, 10, 20, 40)
	for i := range count {
		cpu := int64(pick(d, 1, 2, 4, 8, 16))
		memory := cpu * int64(pick(d, 2, 4, 8)) << 30
		family := pick(d, "c", "m", "r")
		t := Type{Name: fmt.Sprintf("%s-%d-%02d", family, cpu, i), Capacity: Amounts{"cpu": cpu * 1000, "memory": memory, "pods": int64(pick(d, 8, 20, 110))}}
		t.Reqs = []Req{{Key: familyLabel, Op: "In", Values: []string{family}}, {Key: sizeLabel, Op: "In", Values: []string{strconv.FormatInt(cpu, 10)}}, {Key: corev1.LabelArchStable, Op: "In", Values: []string{pick(d, "amd64", "amd64", "arm64")}}}
		if d.chance(60) {
			t.Overhead = Amounts{"cpu": int64(pick(d, 80, 100, 200)), "memory": int64(pick(d, 100, 250, 600)) << 20}
		}
		if d.chance(15) {
			t.Capacity["example.com/gpu"] = int64(pick(d, 1, 4))
		}
		base := rounded(float64(cpu)*0.04 + float64(memory>>30)*0.005 + float64(i)*0.0003)
		for zone, name := range zones {
			if !d.chance(80) && len(t.Offerings) > 0 {
				continue
			}
			t.Offerings = append(t.Offerings, Offering{Zone: name, Capacity: "on-demand", Price: rounded(base + float64(zone)*0.0001), Unavailable: d.chance(10)})
			if d.chance(70) {
				t.Offerings = append(t.Offerings, Offering{Zone: name, Capacity: "spot", Price: rounded(base * (0.3 + 0.4*d.Float64())), Unavailable: d.chance(10)})
			}
			if reserved && d.chance(20) {
				t.Offerings = append(t.Offerings, Offering{Zone: name, Capacity: "reserved", Price: rounded(base) / 1e7, Reservation: pick(d, "res-1", "res-2", "res-3"), Left: d.Intn(3)})
			}
		}
		types = append(types, t)
	}
	return types
}

func rounded(price float64) float64 { return math.Round(price*1e4) / 1e4 }

// catalogs are drawn once: cases name them, which keeps the files small. The last third sells reservations.
const catalogs = 60

var theCatalogs [catalogs][]Type

func drawCatalogs(seed int64) {
	d := draw{rand.New(rand.NewSource(seed))}
	for at := range theCatalogs {
		theCatalogs[at] = d.theTypes(at >= catalogs*2/3)
	}
}

// catalog picks types, with reservations or without.
func (d draw) catalog(reserved bool) (int, []Type) {
	at := d.Intn(catalogs * 2 / 3)
	if reserved {
		at = catalogs*2/3 + d.Intn(catalogs/3)
	}
	return at, theCatalogs[at]
}

func (d draw) nodeReq() Req {
	switch d.Intn(8) {
	case 0:
		return Req{Key: zoneLabel, Op: pick(d, "In", "NotIn"), Values: some(d, 1, zones...)}
	case 1:
		return Req{Key: kindLabel, Op: "In", Values: some(d, 1, "spot", "on-demand")}
	case 2:
		return Req{Key: familyLabel, Op: pick(d, "In", "NotIn"), Values: some(d, 1, "c", "m", "r")}
	case 3:
		return Req{Key: sizeLabel, Op: pick(d, "Gt", "Lt", "Gte", "Lte"), Values: []string{strconv.Itoa(pick(d, 1, 2, 4, 8))}}
	case 4:
		return Req{Key: teamLabel, Op: pick(d, "In", "NotIn", "Exists", "DoesNotExist"), Values: []string{pick(d, "red", "blue")}}
	case 5:
		return Req{Key: corev1.LabelArchStable, Op: "In", Values: []string{pick(d, "amd64", "arm64")}}
	case 6:
		return Req{Key: "example.com/unknown", Op: pick(d, "NotIn", "DoesNotExist", "Exists"), Values: []string{"x"}}
	default:
		return Req{Key: familyLabel, Op: "Exists"}
	}
}

// tidy drops values where the operator takes none.
func tidy(r Req) Req {
	if r.Op == "Exists" || r.Op == "DoesNotExist" {
		r.Values = nil
	}
	return r
}

func (d draw) thePools(types int) []Pool {
	var pools []Pool
	for i := range 1 + d.Intn(3) {
		p := Pool{Name: fmt.Sprintf("pool-%d", i), Weight: int32(pick(d, 0, 0, 10, 50))}
		for at := range types {
			if d.chance(85) {
				p.Types = append(p.Types, at)
			}
		}
		if d.chance(40) {
			p.Limits = Amounts{"cpu": int64(pick(d, 4, 10, 30)) * 1000}
		}
		if d.chance(10) {
			p.Limits = Amounts{"nodes": int64(pick(d, 0, 1, 3))}
		}
		if d.chance(40) {
			p.Labels = map[string]string{teamLabel: pick(d, "red", "blue")}
		}
		if d.chance(25) {
			p.Taints = []Taint{{Key: "dedicated", Value: pick(d, "red", "blue"), Effect: pick(d, "NoSchedule", "NoSchedule", "NoExecute", "PreferNoSchedule")}}
		}
		for range d.Intn(3) {
			r := tidy(d.nodeReq())
			if r.Key == "example.com/unknown" {
				continue
			}
			if r.Op == "In" && d.chance(20) {
				r.Min = 1 + d.Intn(len(r.Values))
			}
			p.Reqs = append(p.Reqs, r)
		}
		if d.chance(15) {
			p.Reqs = append(p.Reqs, Req{Key: pick(d, typeLabel, familyLabel), Op: "Exists", Min: pick(d, 2, 3, 5)})
		}
		pools = append(pools, p)
	}
	return pools
}

func (d draw) theTolerations() (list []Toleration) {
	if d.chance(40) {
		list = append(list, Toleration{Key: "dedicated", Op: "Equal", Value: pick(d, "red", "blue"), Effect: pick(d, "", "NoSchedule")})
	}
	if d.chance(15) {
		list = append(list, Toleration{Op: "Exists"})
	}
	return list
}

func (d draw) appSelector(app string) []Req {
	if d.chance(80) {
		return []Req{{Key: "app", Op: "In", Values: []string{app}}}
	}
	return []Req{{Key: "app", Op: pick(d, "In", "NotIn"), Values: some(d, 1, "web", "db", "job")}}
}

func (d draw) key() string { return pick(d, zoneLabel, hostLabel, hostLabel, kindLabel) }

func (d draw) theTerm(app string) Term { return Term{Selector: d.appSelector(app), Key: d.key()} }

// theClass draws a kind of pod; rules says how often it has rules about other pods.
func (d draw) theClass(rules int) Pod {
	app := pick(d, "web", "db", "job")
	p := Pod{Labels: map[string]string{"app": app}, Requests: Amounts{"cpu": int64(pick(d, 50, 100, 250, 500, 900, 1500, 3000)), "memory": int64(pick(d, 64, 128, 512, 1024, 3000)) << 20}}
	if d.chance(5) {
		p.Requests["example.com/gpu"] = 1
	}
	if d.chance(10) {
		p.Selector = map[string]string{pick(d, zoneLabel, teamLabel): pick(d, "zone-a", "zone-b", "red", "blue")}
	}
	if d.chance(20) {
		for range 1 + d.Intn(2) {
			p.Required = append(p.Required, []Req{tidy(d.nodeReq())})
		}
	}
	if d.chance(15) {
		for weight := range 1 + d.Intn(3) {
			p.Preferred = append(p.Preferred, WeightedReqs{Weight: int32(weight*10 + 1), Reqs: []Req{tidy(d.nodeReq())}})
		}
	}
	p.Tolerations = d.theTolerations()
	if d.chance(5) {
		p.Ports = []int32{int32(pick(d, 80, 443))}
	}
	if d.chance(rules) {
		s := Spread{Skew: int32(pick(d, 1, 1, 2, 3)), Key: d.key(), Soft: d.chance(30), Selector: d.appSelector(app), Any: d.chance(20), Taints: d.chance(20)}
		if d.chance(15) {
			s.Min = int32(pick(d, 2, 3, 5))
		}
		p.Spread = append(p.Spread, s)
	}
	if d.chance(rules / 3) {
		p.Near = append(p.Near, d.theTerm(app))
	}
	if d.chance(rules / 3) {
		p.Apart = append(p.Apart, d.theTerm(app))
	}
	if d.chance(rules / 4) {
		p.ApartSoft = append(p.ApartSoft, WeightedTerm{Weight: int32(1 + d.Intn(100)), Term: d.theTerm(app)})
	}
	if d.chance(rules / 6) {
		p.NearSoft = append(p.NearSoft, WeightedTerm{Weight: int32(1 + d.Intn(100)), Term: d.theTerm(app)})
	}
	if d.chance(20) {
		cost := int32(pick(d, -1<<30, -1000, 1000, 1<<28, 1<<30))
		p.Cost = &cost
	}
	if d.chance(15) {
		p.Priority = int32(pick(d, -1000000000, -50000000, 1000, 100000000))
	}
	return p
}

func (d draw) theDaemons() []Pod {
	var daemons []Pod
	for range pick(d, 0, 0, 1, 2) {
		p := Pod{Requests: Amounts{"cpu": int64(pick(d, 50, 100)), "memory": int64(pick(d, 50, 100)) << 20}}
		if d.chance(50) {
			p.Tolerations = []Toleration{{Op: "Exists"}}
		}
		if d.chance(40) {
			for range 1 + d.Intn(2) {
				p.Required = append(p.Required, []Req{tidy(d.nodeReq())})
			}
		}
		daemons = append(daemons, p)
	}
	return daemons
}

// theNodes draws nodes of pools, and some of nobody, with pods on them.
func (d draw) theNodes(w *World, count int, ordered bool) {
	for i := range count {
		n := Node{Name: fmt.Sprintf("node-%02d", i), Labels: map[string]string{}}
		pool := w.Pools[d.Intn(len(w.Pools))]
		if len(pool.Types) == 0 {
			continue
		}
		t := w.Types[pool.Types[d.Intn(len(pool.Types))]]
		o := t.Offerings[d.Intn(len(t.Offerings))]
		n.Labels[zoneLabel], n.Labels[kindLabel], n.Labels[typeLabel] = o.Zone, o.Capacity, t.Name
		for _, r := range t.Reqs {
			n.Labels[r.Key] = r.Values[0]
		}
		if ordered || d.chance(80) {
			n.Labels[v1.NodePoolLabelKey] = pool.Name
			for key, value := range pool.Labels {
				n.Labels[key] = value
			}
			n.Taints = pool.Taints
			n.Uninitialized = d.chance(10)
		}
		n.Allocatable = Amounts{}
		for name, amount := range t.Capacity {
			n.Allocatable[name] = amount - t.Overhead[name]
		}
		cpu, memory := n.Allocatable["cpu"], n.Allocatable["memory"]
		for at, daemon := range w.Daemons {
			if d.chance(30) && daemon.Required == nil && cpu > 1000 {
				n.Daemons = append(n.Daemons, at)
				cpu, memory = cpu-daemon.Requests["cpu"], memory-daemon.Requests["memory"]
			}
		}
		for range d.Intn(5) {
			class := d.Intn(len(w.Classes))
			r := w.Classes[class].Requests
			if r["cpu"] <= cpu && r["memory"] <= memory && r["example.com/gpu"] == 0 && len(w.Classes[class].Ports) == 0 {
				n.Pods = append(n.Pods, class)
				cpu, memory = cpu-r["cpu"], memory-r["memory"]
			}
		}
		w.Nodes = append(w.Nodes, n)
	}
}

// theWorld draws pods to place and where.
func (d draw) theWorld(kind string) World {
	var w World
	w.Catalog, w.Types = d.catalog(kind == "reserved")
	w.Pools = d.thePools(len(w.Types))
	rules := map[string]int{"plain": 0, "topology": 60, "mixed": 20, "many": 8, "reserved": 10}[kind]
	for range 1 + d.Intn(6) {
		w.Classes = append(w.Classes, d.theClass(rules))
	}
	w.Daemons = d.theDaemons()
	d.theNodes(&w, d.Intn(8), false)
	pods := 1 + d.Intn(25)
	if kind == "many" {
		pods = 60 + d.Intn(140)
		for at := range w.Pools {
			w.Pools[at].Limits = nil
			w.Pools[at].Reqs = append(w.Pools[at].Reqs, Req{Key: sizeLabel, Op: "Lte", Values: []string{"4"}})
		}
	}
	for range pods {
		w.Pods = append(w.Pods, d.Intn(len(w.Classes)))
	}
	w.Ignore, w.BestEffort, w.Strict = d.chance(15), d.chance(25), kind == "reserved" && d.chance(50)
	return w
}
