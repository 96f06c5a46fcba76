// Package semconv has the part of the package of this name in knative.dev/pkg that Knative Serving's autoscaler needs.
package semconv

import "go.opentelemetry.io/otel/attribute"

// K8SNamespaceName is the attribute of a namespace's name.
func K8SNamespaceName(name string) attribute.KeyValue {
	return attribute.String("k8s.namespace.name", name)
}

// HTTPResponseStatusCode is the attribute of a response's status.
func HTTPResponseStatusCode(status int) attribute.KeyValue {
	return attribute.Int("http.response.status_code", status)
}
