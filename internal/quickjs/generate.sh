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

# Every write to the memory marks its page, so that Reset copies back what was touched
# and not everything. Stores are aligned by the compiler or nearly so: one that crosses
# into the next page is Reset's to think of.
sed -i -E \
	-e 's/\bstore(16|32|64)\(m\.memory, /store\1(m, /' \
	-e 's/\bmemory_(copy|fill|zero|init)\(m\.memory, /memory_\1(m, /' \
	-e 's/\bm\.memory\[(.+)\] = (byte\(.+\))$/store8(m, \1, \2)/' \
	-e 's/^(func store(16|32|64)\[.*\]\()mem \[\]byte, (addr T, .*)$/\1m *Module, \3\n\tm.Dirty[uint16(uint64(addr)>>12)] = 1\n\tmem := m.memory/' \
	-e 's/^(func memory_(copy|fill|zero|init)\[.*\]\()mem \[\]byte, (.*)$/\1m *Module, \3\n\tm.mark(uint64(dest), uint64(n))\n\tmem := m.memory/' \
	-e 's/^type Module struct \{$/type Module struct {\n\tpages/' \
	qjs/qjs.go
gofmt -w qjs/qjs.go
cp "$tmp/package/LICENSE" qjs/LICENSE-quickjs-wasi
