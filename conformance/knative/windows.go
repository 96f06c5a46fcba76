package main

import (
	"math/rand/v2"
	"time"

	"knative.dev/serving/pkg/autoscaler/aggregation"

	"wavetank.dev/conformance/vectors"
)

// Times are told in milliseconds from here. Upstream compares the clock with the newest record when a window is resized; cases
// keep far from the instant at which that matters.
const windowNow = 100_000

type window interface {
	Record(time.Time, float64)
	WindowAverage(time.Time) float64
	IsEmpty(time.Time) bool
	ResizeWindow(time.Duration)
}

type windowStep struct {
	AtMs int64 `json:"at"`
	// One of these.
	Record  *float64 `json:"record,omitempty"`
	ResizeS int      `json:"resize,omitempty"`
	// After it:
	Average float64 `json:"average"`
	Empty   bool    `json:"empty,omitempty"`
}

type windowCaseLine struct {
	SpanS        int          `json:"span"`
	GranularityS int          `json:"granularity"`
	Weighted     bool         `json:"weighted,omitempty"`
	Steps        []windowStep `json:"steps"`
}

func windowCase(random *rand.Rand) any {
	granularity := vectors.OneOf(random, 1, 1, 1, 2, 5)
	line := windowCaseLine{SpanS: granularity * vectors.Between(random, 1, 70), GranularityS: granularity, Weighted: vectors.Chance(random, 0.4)}
	length := func(seconds int) time.Duration { return time.Duration(seconds) * time.Second }
	var made window = aggregation.NewTimedFloat64Buckets(length(line.SpanS), length(granularity))
	if line.Weighted {
		made = aggregation.NewWeightedFloat64Buckets(length(line.SpanS), length(granularity))
	}
	// A multiple of every granularity.
	start := time.Now().Truncate(10 * time.Second).Add(-windowNow * time.Millisecond)
	at := int64(vectors.Between(random, 0, 20_000))
	if vectors.Chance(random, 0.3) {
		at = int64(vectors.Between(random, 70_000, 95_000))
	}
	span, newest := line.SpanS, int64(0)
	for range vectors.Between(random, 3, 12) {
		step := windowStep{}
		switch random.IntN(10) {
		case 0:
			at += int64(vectors.Between(random, 0, 100_000))
		case 1:
			at = max(0, at-int64(vectors.Between(random, 0, 8_000)))
		case 2:
			at = max(at, windowNow-int64(vectors.Between(random, 1_000, 11_000)))
		default:
			at += int64(vectors.Between(random, 0, 6_000))
		}
		step.AtMs = at
		now := start.Add(time.Duration(at) * time.Millisecond)
		// The clock is 0 to 10 s after the last instant of a resize, and the window is longer than the silence by either, or
		// shorter by either.
		isLate := at > windowNow-12_000 && at < windowNow
		isFresh, isStale := newest > windowNow-13_000 && span > 30, newest < windowNow-47_000 && span <= 30
		switch {
		case isLate && (isFresh || isStale) && vectors.Chance(random, 0.5):
			step.ResizeS = granularity * vectors.Between(random, 1, 70)
			if vectors.Chance(random, 0.1) {
				step.ResizeS = span
			}
			vectors.Hit("window: resized", isFresh)
			vectors.Hit("window: resized after a silence", isStale)
			vectors.Hit("window: resized to what it is", step.ResizeS == span)
			made.ResizeWindow(length(step.ResizeS))
			span = step.ResizeS
		case vectors.Chance(random, 0.75):
			recorded := vectors.Value(random, 50)
			step.Record = &recorded
			made.Record(now, recorded)
			newest = max(newest, at)
		}
		step.Average, step.Empty = made.WindowAverage(now), made.IsEmpty(now)
		vectors.Hit("window: empty", step.Empty)
		vectors.Hit("window: average not zero", step.Average != 0)
		line.Steps = append(line.Steps, step)
	}
	return line
}
