#!/bin/sh
# Moves the module to another release of Kubernetes: ./release.sh v1.36.2
# k8s.io/kubernetes requires its staging modules at v0.0.0, so each of them needs a replace with the release's own version.
set -eu
GOWORK=off
export GOWORK
cd "$(dirname "$0")"
release=${1:?usage: ./release.sh vMAJOR.MINOR.PATCH}
staging=v0.${release#v1.}

# The staging modules are those that the release's own go.mod replaces by a local directory.
directory=$(go mod download -json "k8s.io/kubernetes@$release" | sed -n 's/.*"Dir": "\(.*\)",*/\1/p')
go=$(sed -n 's/^go \(.*\)/\1/p' "$directory/go.mod")
{
	printf 'module wavetank.dev/conformance\n\ngo %s\n\nrequire k8s.io/kubernetes %s\n\nreplace (\n' "$go" "$release"
	sed -n 's#^\t*\(k8s.io/[a-z0-9-]*\) => ./staging/.*#\1#p' "$directory/go.mod" | while read -r module; do
		printf '\t%s => %s %s\n' "$module" "$module" "$staging"
	done
	printf ')\n'
} >go.mod
rm -f go.sum
go mod tidy
go vet .
