package main

import (
	"os"
	"os/exec"
	"path/filepath"
)

// These rows are the sizes of programs: the command as released, and Workers
// after gzip, over a Worker that answers a constant.

var _ = register("size", group{once: func(s *session) (results []result, err error) {
	if s.wants("layer") {
		program, err := buildLayer()
		if err != nil {
			return nil, err
		}
		info, err := os.Stat(program)
		if err != nil {
			return nil, err
		}
		results = append(results, result{name: "layer", ours: size(float64(info.Size()))})
	}
	if !s.wants("worker/reader", "worker/example") {
		return results, nil
	}
	dir, err := s.folder(false)
	if err != nil {
		return nil, err
	}
	var sizes []float64
	for _, pkg := range []string{"./workers/internal/constant", "./workers/internal/reader", "./examples/worker"} {
		file := filepath.Join(dir, "worker.wasm")
		if err := build(file, pkg, "GOOS=js", "GOARCH=wasm"); err != nil {
			return nil, err
		}
		packed, err := exec.CommandContext(s.ctx, "gzip", "-9", "-c", file).Output()
		if err != nil {
			return nil, err
		}
		sizes = append(sizes, float64(len(packed)))
	}
	return append(results, result{name: "worker/reader", ours: size(sizes[1] - sizes[0])},
		result{name: "worker/example", ours: size(sizes[2] - sizes[0])}), nil
}})
