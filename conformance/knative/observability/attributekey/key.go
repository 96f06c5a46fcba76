// Package attributekey has the part of the package of this name in knative.dev/pkg that Knative Serving's autoscaler needs:
// keys for its own telemetry, which no decision depends on. The README says why it is here.
package attributekey

import "go.opentelemetry.io/otel/attribute"

// String is the key of an attribute whose value is a text.
type String string

// With is the attribute of this key.
func (key String) With(value string) attribute.KeyValue {
	return attribute.String(string(key), value)
}
