package main

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"time"
	"unsafe"

	vpa_types "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"
	"k8s.io/autoscaler/vertical-pod-autoscaler/pkg/recommender/model"
	"k8s.io/autoscaler/vertical-pod-autoscaler/pkg/recommender/util"
)

type histogramVector struct {
	Name     string        `json:"name"`
	Scheme   string        `json:"scheme"` // cpu, memory (upstream's own), linear or exponential with arguments
	Args     []float64     `json:"args,omitempty"`
	Count    int           `json:"count"`
	Starts   uint64        `json:"starts"` // hash of the starts of all buckets
	Find     [][]any       `json:"find,omitempty"`
	HalfLife int64         `json:"halfLife"` // s
	Ops      []histogramOp `json:"ops"`
}

type histogramOp struct {
	Op     string          `json:"op"` // add, subtract, merge (other into this), checkpoint (save, load into a new one, which takes its place)
	H      int             `json:"h,omitempty"`
	Value  float64         `json:"v,omitempty"`
	Weight float64         `json:"w,omitempty"`
	Time   int64           `json:"t,omitempty"` // ns since 1970
	Saved  [][2]int        `json:"saved,omitempty"`
	State  *histogramState `json:"state,omitempty"`
}

type histogramState struct {
	Empty       bool         `json:"empty,omitempty"`
	First       int          `json:"first"`
	Last        int          `json:"last"`
	Total       float64      `json:"total"`
	Weights     uint64       `json:"weights"`             // hash of all weights
	Reference   *int64       `json:"reference,omitempty"` // s since 1970
	Percentiles [][2]float64 `json:"p"`
}

func field(of any, name string) reflect.Value {
	value := reflect.ValueOf(of).Elem().FieldByName(name)
	return reflect.NewAt(value.Type(), unsafe.Pointer(value.UnsafeAddr())).Elem()
}

func stateOf(random *rand.Rand, histogram util.Histogram) *histogramState {
	weights := field(histogram, "bucketWeight").Interface().([]float64)
	reference := field(histogram, "referenceTimestamp").Interface().(time.Time)
	state := &histogramState{
		Empty:   histogram.IsEmpty(),
		First:   int(field(histogram, "minBucket").Int()),
		Last:    int(field(histogram, "maxBucket").Int()),
		Total:   field(histogram, "totalWeight").Float(),
		Weights: bitsOf(weights),
	}
	if !reference.IsZero() {
		state.Reference = pointer(reference.Unix())
	}
	for _, percentile := range []float64{0.5, 0.9, 0.95, float64(random.IntN(101)) / 100} {
		state.Percentiles = append(state.Percentiles, [2]float64{percentile, histogram.Percentile(percentile)})
	}
	return state
}

func histogramOptions(random *rand.Rand, vector *histogramVector) util.HistogramOptions {
	config := model.GetAggregationsConfig()
	var options util.HistogramOptions
	var err error
	switch vector.Scheme = pick(random, "cpu", "cpu", "memory", "memory", "linear", "exponential"); vector.Scheme {
	case "cpu":
		return config.CPUHistogramOptions
	case "memory":
		return config.MemoryHistogramOptions
	case "linear":
		vector.Args = []float64{float64(between(random, 10, 1000)), float64(between(random, 1, 50)) / 8, 1e-4}
		options, err = util.NewLinearHistogramOptions(vector.Args[0], vector.Args[1], vector.Args[2])
	default:
		vector.Args = []float64{float64(between(random, 100, 1e6)), float64(between(random, 1, 1000)) / 16, 1 + float64(between(random, 1, 80))/100, 1e-4}
		options, err = util.NewExponentialHistogramOptions(vector.Args[0], vector.Args[1], vector.Args[2], vector.Args[3])
	}
	if err != nil {
		panic(err)
	}
	return options
}

// histogramValue draws a value, now and then one at or beside the edge of a bucket.
func histogramValue(random *rand.Rand, options util.HistogramOptions) float64 {
	last := options.GetBucketStart(options.NumBuckets() - 1)
	if chance(random, 0.2) {
		edge := options.GetBucketStart(random.IntN(options.NumBuckets()))
		return pick(random, edge, edge*(1-1e-15), edge*(1+1e-15), float64(int64(edge)))
	}
	value := last * float64(between(random, 1, 1_200_000)) / 1e6
	if last > 1e6 {
		return float64(int64(value))
	}
	return float64(int64(value*1000)) / 1000
}

func histogramCase(random *rand.Rand, number int, reached map[string]int) any {
	vector := histogramVector{Name: fmt.Sprintf("histogram-%04d", number)}
	options := histogramOptions(random, &vector)
	reached["scheme "+vector.Scheme]++
	vector.Count = options.NumBuckets()
	starts := make([]float64, vector.Count)
	for bucket := range starts {
		starts[bucket] = options.GetBucketStart(bucket)
	}
	vector.Starts = bitsOf(starts)
	for range 4 {
		value := histogramValue(random, options)
		vector.Find = append(vector.Find, []any{value, options.FindBucket(value)})
	}
	halfLife := pick(random, 24*time.Hour, 24*time.Hour, time.Hour, 7*time.Hour, 10*time.Minute)
	vector.HalfLife = int64(halfLife / time.Second)
	histograms := []util.Histogram{util.NewDecayingHistogram(options, halfLife), util.NewDecayingHistogram(options, halfLife)}
	now := time.Unix(1_600_000_000+random.Int64N(200_000_000), 0)
	type sample struct {
		value, weight float64
		at            time.Time
	}
	added := [2][]sample{}
	for step := range 4 + random.IntN(9) {
		op := histogramOp{H: random.IntN(2)}
		histogram := histograms[op.H]
		// Samples of one instant have equal weights, which makes ties; now and then much time passes.
		if chance(random, 0.5) {
			now = now.Add(time.Duration(between(random, 1, 40*int64(halfLife/time.Second))) * time.Second)
		} else if chance(random, 0.1) {
			now = now.Add(time.Duration(100+random.IntN(50)) * halfLife)
			reached["more than 100 half-lives pass"]++
		}
		switch draw := random.Float64(); {
		case draw < 0.65 || step < 2:
			one := sample{histogramValue(random, options), pick(random, 0.1, 0.1, 1, 1, 2.5), now}
			if chance(random, 0.2) {
				one.at = now.Add(-time.Duration(random.Int64N(int64(3 * halfLife))))
				reached["sample of the past"]++
			}
			op.Op, op.Value, op.Weight, op.Time = "add", one.value, one.weight, one.at.UnixNano()
			histogram.AddSample(one.value, one.weight, one.at)
			added[op.H] = append(added[op.H], one)
		case draw < 0.75 && len(added[op.H]) > 0:
			one := added[op.H][random.IntN(len(added[op.H]))]
			op.Op, op.Value, op.Weight, op.Time = "subtract", one.value, one.weight, one.at.UnixNano()
			histogram.SubtractSample(one.value, one.weight, one.at)
			reached["subtract"]++
		case draw < 0.9:
			op.Op = "merge"
			histogram.Merge(histograms[1-op.H])
			reached["merge"]++
		default:
			op.Op = "checkpoint"
			histograms[op.H] = reload(histogram, options, halfLife, &op)
			reached["checkpoint"]++
		}
		if chance(random, 0.3) {
			op.State = stateOf(random, histograms[op.H])
			if op.State.Empty {
				reached["empty"]++
			}
		}
		vector.Ops = append(vector.Ops, op)
	}
	last := &vector.Ops[len(vector.Ops)-1]
	last.State = stateOf(random, histograms[last.H])
	return vector
}

func reload(histogram util.Histogram, options util.HistogramOptions, halfLife time.Duration, op *histogramOp) util.Histogram {
	checkpoint, err := histogram.SaveToChekpoint()
	if err != nil {
		panic(err)
	}
	for bucket := range options.NumBuckets() {
		if weight := checkpoint.BucketWeights[bucket]; weight > 0 {
			op.Saved = append(op.Saved, [2]int{bucket, int(weight)})
		}
	}
	loaded := util.NewDecayingHistogram(options, halfLife)
	if err := loaded.LoadFromCheckpoint((*vpa_types.HistogramCheckpoint)(checkpoint)); err != nil {
		panic(err)
	}
	return loaded
}
