#!/usr/bin/env bash
# Makes qjs/qjs.go: QuickJS-ng, compiled to WebAssembly by the npm package
# quickjs-wasi, translated to Go by wasm2go. To update: change the version, run with
# UPDATE=1, read what changed, and commit the new checksum.
set -euo pipefail
cd "$(dirname "$0")"
PACKAGE=quickjs-wasi@3.6.2
SHA256=d4c9375f2b1ca4dc95f72c8aa2982a7a9951ac8011490d79c6582df732b4bbd9
WASM2GO=github.com/ncruces/wasm2go@v0.4.20
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
(cd "$tmp" && npm pack --silent "$PACKAGE" >/dev/null && tar xzf ./*.tgz)
sum=$(sha256sum "$tmp/package/quickjs.wasm" | cut -d' ' -f1)
if [ "$sum" != "$SHA256" ] && [ -z "${UPDATE:-}" ]; then
	echo "quickjs.wasm has the checksum $sum, not $SHA256" >&2
	exit 1
fi
go run "$WASM2GO" -unsafe -pkg qjs -o qjs/qjs.go "$tmp/package/quickjs.wasm"
gofmt -w qjs/qjs.go
cp "$tmp/package/LICENSE" qjs/LICENSE-quickjs-wasi
