// Writes what the autoscaler of Knative Serving decides over random histories, for tests/it/knative_vectors.rs.
package main

import "wavetank.dev/conformance/vectors"

func main() {
	vectors.Main("knative", "v0.51.0", []vectors.Sort{
		{Kind: "windows", Cases: 400, Case: windowCase},
		{Kind: "decisions", Cases: 500, Case: decisionCase},
		{Kind: "histories", Cases: 150, Case: historyCase},
		{Kind: "settings", Cases: 1200, Case: settingsCase},
	})
}
