#!/bin/sh
# Builds what worker.mjs imports: the program, and the glue that belongs to this toolchain.
set -e
cd "$(dirname "$0")"
mkdir -p build
GOOS=js GOARCH=wasm go build -trimpath -ldflags='-s -w' -o build/worker.wasm .
cp -f "$(go env GOROOT)/lib/wasm/wasm_exec.js" build/
