package main

import (
	"fmt"
	"math/rand/v2"
	"time"

	"k8s.io/autoscaler/vertical-pod-autoscaler/pkg/recommender/logic"
	"k8s.io/autoscaler/vertical-pod-autoscaler/pkg/recommender/model"
)

type estimatorVector struct {
	Name       string   `json:"name"`
	CPU        series   `json:"cpu"`
	Memory     series   `json:"memory"`
	Percentile float64  `json:"percentile"`
	Margin     float64  `json:"margin"`
	Multiplier float64  `json:"multiplier"`
	Exponent   int      `json:"exponent"`
	Interval   int64    `json:"interval"` // s
	Min        [2]int64 `json:"min"`
	// After each estimator of the chain, CPU and memory: percentile, margin, confidence, minimum.
	Want [4][2]int64 `json:"want"`
}

// series are samples that both sides draw: the i-th at start + i * every, low + splitMix(seed + i) % (high - low + 1).
type series struct {
	Start int64  `json:"start"` // s since 1970
	Every int64  `json:"every"` // s
	Count int    `json:"count"`
	Seed  uint32 `json:"seed"`
	Low   int64  `json:"low"`
	High  int64  `json:"high"`
}

func (s series) each(act func(at time.Time, value int64)) {
	for i := range s.Count {
		value := s.Low + int64(splitMix(uint64(s.Seed)+uint64(i))%uint64(s.High-s.Low+1))
		act(time.Unix(s.Start+int64(i)*s.Every, 0), value)
	}
}

func drawSeries(random *rand.Rand, start int64, low, high int64, count int) series {
	one := series{Start: start, Count: count, Seed: random.Uint32()}
	one.Every = pick(random, int64(60), 60, 60, 15, 300, 3600, 40_000)
	one.Low = between(random, low, high)
	one.High = one.Low + between(random, 1, high)
	if chance(random, 0.1) {
		one.High = one.Low
	}
	return one
}

func estimatorCase(random *rand.Rand, number int, reached map[string]int) any {
	start := 1_600_000_000 + random.Int64N(200_000_000)
	count := func() int { return pick(random, 0, 1, 2, 9, random.IntN(100), random.IntN(2000)) }
	vector := estimatorVector{
		Name:       fmt.Sprintf("estimator-%04d", number),
		CPU:        drawSeries(random, start, 1, 100_000, count()),
		Memory:     drawSeries(random, start, 1000, 1e12, min(count(), 50)),
		Percentile: pick(random, 0.5, 0.9, 0.95, float64(random.IntN(101))/100),
		Margin:     pick(random, 0.15, 0.1, 0, float64(random.IntN(100))/64),
		Multiplier: pick(random, 1, 0.001, 0.1, random.Float64()*3),
		Exponent:   pick(random, 1, -2, 2, -1, 3, -3),
		Interval:   pick(random, int64(86_400), 86_400, 3600, 1080, 100_000, 90),
		Min:        [2]int64{pick(random, int64(0), 25, 12, 1000), pick(random, int64(0), 250<<20, 1000)},
	}
	state := model.NewAggregateContainerState()
	vector.CPU.each(func(at time.Time, value int64) {
		state.AddSample(&model.ContainerUsageSample{MeasureStart: at, Usage: model.ResourceAmount(value), Resource: model.ResourceCPU})
	})
	vector.Memory.each(func(at time.Time, value int64) {
		state.AddSample(&model.ContainerUsageSample{MeasureStart: at, Usage: model.ResourceAmount(value), Resource: model.ResourceMemory})
	})
	interval := time.Duration(vector.Interval) * time.Second
	cpu, memory := logic.NewPercentileCPUEstimator(vector.Percentile), logic.NewPercentileMemoryEstimator(vector.Percentile)
	for step := range vector.Want {
		switch step {
		case 1:
			cpu, memory = logic.WithCPUMargin(vector.Margin, cpu), logic.WithMemoryMargin(vector.Margin, memory)
		case 2:
			cpu = logic.WithCPUConfidenceMultiplier(vector.Multiplier, float64(vector.Exponent), cpu, interval)
			memory = logic.WithMemoryConfidenceMultiplier(vector.Multiplier, float64(vector.Exponent), memory, interval)
		case 3:
			cpu = logic.WithCPUMinResource(model.ResourceAmount(vector.Min[0]), cpu)
			memory = logic.WithMemoryMinResource(model.ResourceAmount(vector.Min[1]), memory)
		}
		vector.Want[step] = [2]int64{int64(cpu.GetCPUEstimation(state)), int64(memory.GetMemoryEstimation(state))}
	}
	for resource, want := range vector.Want[3] {
		switch {
		case want < 0:
			reached["not a number, which becomes negative"]++
		case want == int64(model.MaxResourceAmount):
			reached["the largest amount"]++
		case want == vector.Min[resource]:
			reached["the minimum"]++
		default:
			reached["an amount between"]++
		}
	}
	return vector
}
