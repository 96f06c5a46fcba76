#!/bin/sh
# Has the real components decide in worlds of one seed: ./fresh.sh SEED DIRECTORY [SUITE...]
# Without names all suites are written; their names are those of the table below. WAVETANK_VECTORS=DIRECTORY replays them.
set -eu
usage='usage: fresh.sh SEED DIRECTORY [kubernetes|vpa|knative|keda|karpenter...]'
seed=${1:?$usage}
out=${2:?$usage}
shift 2
mkdir -p "$out"
out=$(cd "$out" && pwd)
cd "$(dirname "$0")"

# Karpenter asks for a patch release of Go that may be newer than the one at hand; the go command fetches it.
GOTOOLCHAIN=auto
CGO_ENABLED=0
export GOTOOLCHAIN CGO_ENABLED
go=${GO:-go}
programs=$(mktemp -d)
trap 'rm -rf "$programs"' EXIT

build() {
	"$go" build -ldflags='-s -w' -o "$programs/" "$@"
}

for suite in ${*:-kubernetes vpa knative keda karpenter}; do
	echo "$suite, seed $seed"
	case $suite in
	kubernetes)
		build .
		"$programs/conformance" all --seed "$seed" --out "$out"
		;;
	vpa)
		build ./vpa
		"$programs/vpa" all --seed "$seed" --out "$out"
		;;
	knative)
		build ./knative
		(cd knative/reconciler && build .)
		"$programs/knative" --seed "$seed" --out "$out/knative"
		"$programs/reconciler" --seed "$seed" --out "$out/knative"
		;;
	keda)
		build ./keda
		"$programs/keda" --seed "$seed" --out "$out/keda"
		;;
	karpenter)
		build ./karpenter
		# A fifth of the worlds: Karpenter is asked forty times where its answers differ.
		"$programs/karpenter" --seed "$seed" --scale 0.2 --out "$out/karpenter"
		;;
	*)
		echo "there is no suite $suite; $usage" >&2
		exit 2
		;;
	esac
done
