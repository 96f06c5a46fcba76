package main

import (
	"encoding/json"
	"testing"
	"testing/synctest"

	"wavetank.dev/conformance/hpa"
)

// Whatever depends on map order or timing in the set-up or in upstream shows as a difference between two runs.
func TestSameSeedSameBytes(t *testing.T) {
	kinds := map[string]func() []any{
		"scheduler": func() []any { return scheduleLines("mixed", 11, 25, featureNames()) },
		"queue":     func() []any { return queueLines(11, 10) },
		"sampling":  func() []any { return samplingLines(11, 1) },
	}
	for kind, lines := range kinds {
		first, second := encode(t, lines()), encode(t, lines())
		for i := range first {
			if first[i] != second[i] {
				t.Errorf("%s: line %d differs between two runs", kind, i)
			}
		}
	}
}

func TestSameSeedSameBytesOfAutoscalers(t *testing.T) {
	var runs [2][]string
	for i := range runs {
		synctest.Test(t, func(t *testing.T) {
			runs[i] = encode(t, append(hpa.Calculations(11, 200), hpa.Histories(11, 100)...))
		})
	}
	for i := range runs[0] {
		if runs[0][i] != runs[1][i] {
			t.Errorf("line %d differs between two runs", i)
		}
	}
}

func encode(t *testing.T, lines []any) []string {
	t.Helper()
	var texts []string
	for _, line := range lines {
		text, err := json.Marshal(line)
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, string(text))
	}
	return texts
}

// Every feature has to leave a trace in the verdicts of its plug-in, or its vectors compare nothing.
func TestFeaturesReachTheirPlugins(t *testing.T) {
	wanted := map[string]string{
		"taints": "TaintToleration", "affinity": "NodeAffinity", "ports": "NodePorts", "spread": "PodTopologySpread",
		"podaffinity": "InterPodAffinity", "volumes": "VolumeBinding", "dra": "DynamicResources", "basic": "NodeResourcesFit",
	}
	for feature, plugin := range wanted {
		rejections := 0
		for _, line := range scheduleLines(feature, 11, 12, []string{feature})[1:] {
			for _, step := range line.(clusterCase).Steps {
				if _, ok := step.Plugins[plugin]; ok {
					rejections++
				}
			}
		}
		if rejections == 0 {
			t.Errorf("feature %s: %s never rejects a node", feature, plugin)
		}
	}
}
