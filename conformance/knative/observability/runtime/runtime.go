// Package runtime has the one name of the package of this name in knative.dev/pkg that Knative Serving's autoscaler needs.
package runtime

// ProfilingDefaultPort is where Knative's components offer their profiles; containers may not use this port.
const ProfilingDefaultPort = 8008
