// Writes what Knative Serving's reconciler of pod autoscalers and its activator decide, for tests/it/knative_vectors.rs.
package main

import "wavetank.dev/conformance/vectors"

func main() {
	vectors.Main("knative", "v0.42.2", []vectors.Sort{
		{Kind: "zero", Cases: 1500, Case: zeroCase},
		{Kind: "activity", Cases: 800, Case: activityCase},
		{Kind: "activator", Cases: 1200, Case: activatorCase},
	})
}
