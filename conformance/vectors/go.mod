module wavetank.dev/conformance/vectors

go 1.26.0
