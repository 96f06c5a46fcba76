package hpa

import (
	"math"
	"math/rand/v2"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// draw is the random stream of one case.
type draw struct{ *rand.Rand }

func newDraw(seed int64, kind, number uint64) draw {
	return draw{rand.New(rand.NewPCG(uint64(seed), kind<<32|number))}
}

// often is true in so many of a hundred cases.
func (d draw) often(percent int) bool { return d.IntN(100) < percent }

// between is uniform, both ends included.
func (d draw) between(low, high int64) int64 { return low + d.Int64N(high-low+1) }

func pick[T any](d draw, from ...T) T { return from[d.IntN(len(from))] }

func ptr[T any](value T) *T { return &value }

// ratio is how much of its target a metric is to have: near the edge of a tolerance, or anywhere.
func (d draw) ratio(down, up float64) float64 {
	switch d.IntN(6) {
	case 0:
		return 1 + up + (d.Float64()-0.5)*0.04
	case 1:
		return max(0, 1-down+(d.Float64()-0.5)*0.04)
	case 2:
		return 1 + (d.Float64()-0.5)*0.02
	case 3:
		return d.Float64() * 4
	case 4:
		return d.Float64()
	default:
		return 1 + d.Float64()
	}
}

// jittered is a value around another one, of which large ones are rounded: the files are kept.
func (d draw) jittered(value float64) int64 {
	value *= 0.7 + 0.6*d.Float64()
	if value > 1e7 && value < 1e12 {
		return int64(value) &^ (1<<20 - 1)
	}
	return int64(math.Round(value))
}

// instant is a whole second in between, as the API has them.
func (d draw) instant(low, high int64) int64 {
	return low + (d.between(0, high-low) / 1000 * 1000)
}

func (d draw) selector() *metav1.LabelSelector {
	if d.often(50) {
		return nil
	}
	result := &metav1.LabelSelector{}
	if d.often(70) {
		result.MatchLabels = map[string]string{"queue": pick(d, "orders", "mail")}
		if d.often(30) {
			result.MatchLabels["zone"] = "a"
		}
	}
	if d.often(30) {
		some := metav1.LabelSelectorRequirement{Key: "tier", Operator: "In", Values: []string{"gold", "silver"}}
		none := metav1.LabelSelectorRequirement{Key: "old", Operator: "DoesNotExist"}
		result.MatchExpressions = pick(d, []metav1.LabelSelectorRequirement{some}, []metav1.LabelSelectorRequirement{some, none})
	}
	return result
}

// template draws what pods request.
func (d draw) template(mayMiss bool) template {
	one := func(name string) container {
		c := container{Name: name}
		if !mayMiss || !d.often(3) {
			c.CPU = ptr(pick[int64](d, 100, 250, 333, 500, 1000, 2000))
		}
		if !mayMiss || !d.often(5) {
			c.Memory = ptr(pick[int64](d, 64<<20, 100_000_000, 512<<20, 1<<30))
		}
		return c
	}
	drawn := template{Containers: []container{one("app")}}
	if d.often(40) {
		drawn.Containers = append(drawn.Containers, one("proxy"))
	}
	if d.often(15) {
		drawn.Sidecars = []container{one("log")}
	}
	if d.often(10) {
		level := one("")
		if d.often(30) {
			level.Memory = nil
		}
		drawn.PodLevel = &level
	}
	return drawn
}

func (t template) all() []container {
	return append(append([]container{}, t.Containers...), t.Sidecars...)
}

// pod draws the state of a pod at an instant; what lies around the edges of the rules is drawn more often.
func (d draw) pod(id, templates int, now int64, f flags) pod {
	p := pod{ID: id, Template: d.IntN(templates)}
	switch {
	case d.often(8):
		p.Phase = "Pending"
	case d.often(4):
		p.Phase = "Failed"
	case d.often(4):
		p.Phase = "Succeeded"
	}
	p.Deleted = d.often(6)
	if d.often(5) {
		return p
	}
	started := now - d.instant(0, 2*f.Initialization)
	if d.often(8) {
		started = now - f.Initialization + d.between(-1, 1)
	}
	if d.often(30) {
		started = now - d.instant(f.Initialization, now)
	}
	started = max(started, 0)
	if !d.often(2) {
		p.Started = &started
	}
	if d.often(3) {
		return p
	}
	p.Ready = pick(d, "True", "True", "True", "True", "True", "True", "False", "False", "Unknown")
	p.Since = started + d.instant(0, 2*f.Readiness)
	if d.often(10) {
		p.Since = started + f.Readiness + d.between(-1, 1)
	}
	if d.often(20) {
		p.Since = d.instant(started, now)
	}
	p.Since = max(0, min(p.Since, now))
	return p
}

// usage draws what is measured of a pod whose containers use so much of what they request. Of resources that nobody asks
// for nothing is drawn.
func (d draw) usage(p pod, t template, now int64, share float64, hasCPU, hasMemory bool) usage {
	u := usage{Pod: p.ID, Window: pick[int64](d, 15_000, 30_000, 60_000), At: max(0, now-d.instant(0, 90_000))}
	if d.often(15) {
		u.At = max(0, min(now, p.Since+u.Window+d.between(-1, 1)))
	}
	for _, c := range t.all() {
		if d.often(2) {
			continue
		}
		used := container{Name: c.Name}
		of := func(request *int64, otherwise float64, isAsked bool) *int64 {
			if !isAsked || d.often(2) {
				return nil
			}
			if request != nil {
				otherwise = float64(*request)
			}
			return ptr(d.jittered(otherwise * share))
		}
		used.CPU, used.Memory = of(c.CPU, 250, hasCPU), of(c.Memory, 1e8, hasMemory)
		u.Containers = append(u.Containers, used)
	}
	return u
}
