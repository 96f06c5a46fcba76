#!/bin/sh
# Runs the program with a Go that is some patch releases older than upstream's module asks for: with a copy of the module
# that asks for less. Arguments are passed on.
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
version=$(sed -n 's#^\tsigs.k8s.io/karpenter \(v[^ ]*\)$#\1#p' go.mod)
# The download fails after the module is there, as its go line is not met.
GOFLAGS=-mod=mod go mod download "sigs.k8s.io/karpenter@$version" 2>/dev/null || true
cp -r "$(go env GOMODCACHE)/sigs.k8s.io/karpenter@$version" "$work/karpenter"
chmod -R u+w "$work/karpenter"
sed -i 's/^go .*/go 1.26.0/' "$work/karpenter/go.mod"
sed 's/^go .*/go 1.26.0/' go.mod >"$work/go.mod"
printf '\nreplace sigs.k8s.io/karpenter => %s\n' "$work/karpenter" >>"$work/go.mod"
cp go.sum "$work/go.sum"
GOFLAGS=-mod=mod go run -modfile="$work/go.mod" . "$@"
