package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"os"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime"
	clientscheme "k8s.io/client-go/kubernetes/scheme"
	fwk "k8s.io/kube-scheduler/framework"
)

// The types below mirror FORMAT.md; what each key means stands there.

type header struct {
	Kind     string          `json:"kind"`
	Release  string          `json:"release"`
	Seed     int64           `json:"seed"`
	Features []string        `json:"features,omitempty"`
	Gates    map[string]bool `json:"gates,omitempty"`
}

type clusterCase struct {
	Name    string          `json:"name"`
	Seed    int64           `json:"seed"`
	Config  json.RawMessage `json:"config,omitempty"`
	Objects []any           `json:"objects"`
	Nodes   []string        `json:"nodes"`
	Steps   []step          `json:"steps"`
}

type step struct {
	Pod        string                  `json:"pod"`
	PreFilter  *preFilter              `json:"prefilter,omitempty"`
	Plugins    map[string]pluginFilter `json:"plugins,omitempty"`
	Filter     filterResult            `json:"filter"`
	Score      *scoreResult            `json:"score,omitempty"`
	Message    string                  `json:"message,omitempty"`
	Preemption *preemptionResult       `json:"preemption,omitempty"`
	After      *after                  `json:"after,omitempty"`
}

type preFilter struct {
	Skip   []string            `json:"skip,omitempty"`
	Reject map[string]reason   `json:"reject,omitempty"`
	Nodes  map[string][]string `json:"nodes,omitempty"`
}

type reason struct {
	Nodes   string   `json:"nodes,omitempty"`
	Plugin  string   `json:"plugin,omitempty"`
	Code    string   `json:"code"`
	Reasons []string `json:"reasons,omitempty"`
}

type pluginFilter struct {
	OK  string   `json:"ok"`
	Why []reason `json:"why,omitempty"`
}

type filterResult struct {
	OK        string   `json:"ok"`
	Nominated bool     `json:"nominated,omitempty"`
	PreFilter *reason  `json:"prefilter,omitempty"`
	Why       []reason `json:"why,omitempty"`
}

type scoreResult struct {
	Skip     []string           `json:"skip,omitempty"`
	Raw      map[string][]int64 `json:"raw,omitempty"`
	Weighted map[string][]int64 `json:"weighted,omitempty"`
	Total    []int64            `json:"total"`
	Best     string             `json:"best"`
}

type preemptionResult struct {
	Candidates []preemptionCandidate `json:"candidates,omitempty"`
	Best       []string              `json:"best,omitempty"`
	Message    string                `json:"message,omitempty"`
}

type preemptionCandidate struct {
	Node       string   `json:"node"`
	Victims    []string `json:"victims"`
	Violations int64    `json:"violations,omitempty"`
}

type after struct {
	Bind      string            `json:"bind,omitempty"`
	StartTime string            `json:"startTime,omitempty"`
	Nominate  map[string]string `json:"nominate,omitempty"`
	Delete    []string          `json:"delete,omitempty"`
	Update    []any             `json:"update,omitempty"`
}

// code abbreviates a status code as FORMAT.md says.
func code(c fwk.Code) string {
	switch c {
	case fwk.Unschedulable:
		return "U"
	case fwk.UnschedulableAndUnresolvable:
		return "UR"
	case fwk.Pending:
		return "P"
	}
	return "E"
}

// bits is a set of nodes under construction.
type bits []byte

func newBits(length int) bits { return bits(bytes.Repeat([]byte{'0'}, length)) }

func (b bits) set(index int)  { b[index] = '1' }
func (b bits) String() string { return string(b) }

// reasonSet groups the nodes that fail alike, in the order of their first node.
type reasonSet struct {
	nodes int
	keys  map[string]int
	list  []reason
	sets  []bits
}

func newReasonSet(nodes int) *reasonSet { return &reasonSet{nodes: nodes, keys: map[string]int{}} }

func (s *reasonSet) add(node int, plugin string, status *fwk.Status) {
	reasons := sortedReasons(status)
	text := plugin + "\x00" + code(status.Code()) + "\x00" + strings.Join(reasons, "\x00")
	index, ok := s.keys[text]
	if !ok {
		index = len(s.list)
		s.keys[text] = index
		s.list = append(s.list, reason{Plugin: plugin, Code: code(status.Code()), Reasons: reasons})
		s.sets = append(s.sets, newBits(s.nodes))
	}
	s.sets[index].set(node)
}

// sortedReasons are the reasons in alphabetical order, as NodeResourcesFit lists extended resources in map order.
func sortedReasons(status *fwk.Status) []string {
	return slices.Sorted(slices.Values(status.Reasons()))
}

func (s *reasonSet) finish() []reason {
	for i := range s.list {
		s.list[i].Nodes = s.sets[i].String()
	}
	return s.list
}

// manifest is the object as a user would write it: with its kind, without what is empty or belongs to the server.
func manifest(object runtime.Object) any {
	gvks, _, err := clientscheme.Scheme.ObjectKinds(object)
	must(err)
	text, err := json.Marshal(object)
	must(err)
	var value map[string]any
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	must(decoder.Decode(&value))
	value["apiVersion"], value["kind"] = gvks[0].ToAPIVersionAndKind()
	if metadata, ok := value["metadata"].(map[string]any); ok {
		delete(metadata, "uid")
		delete(metadata, "resourceVersion")
		delete(metadata, "creationTimestamp")
	}
	prune(value)
	return value
}

// neverMeaningful are the keys of which an empty object says nothing. For others it does: an empty selector matches all.
var neverMeaningful = map[string]bool{
	"status": true, "resources": true, "metadata": true, "daemonEndpoints": true, "nodeInfo": true, "template": true,
	"strategy": true, "updateStrategy": true, "spec": true, "kubeletEndpoint": true, "loadBalancer": true,
}

func prune(value map[string]any) {
	for name, child := range value {
		switch typed := child.(type) {
		case nil:
			delete(value, name)
		case map[string]any:
			if name == "nodeInfo" || name == "daemonEndpoints" {
				delete(value, name)
				continue
			}
			prune(typed)
			if len(typed) == 0 && neverMeaningful[name] {
				delete(value, name)
			}
		case []any:
			for _, element := range typed {
				if object, ok := element.(map[string]any); ok {
					prune(object)
				}
			}
			if len(typed) == 0 {
				delete(value, name)
			}
		}
	}
}

// writeLines writes one JSON value a line, compressed when the name ends in .gz.
func writeLines(path string, lines []any) {
	file, err := os.Create(path)
	must(err)
	defer file.Close()
	var out io.Writer = file
	if strings.HasSuffix(path, ".gz") {
		compressed, err := gzip.NewWriterLevel(file, gzip.BestCompression)
		must(err)
		defer compressed.Close()
		out = compressed
	}
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	for _, line := range lines {
		must(encoder.Encode(line))
	}
}

// must stops the program: a vector that could not be computed as planned is of no use.
func must(err error) {
	if err != nil {
		panic(err)
	}
}
