package qjs

// PageBits is the size of a page of [Module.Dirty], as a power of two: small, because
// what a call touches lies scattered.
const PageBits = 8

// pages notes which pages of the memory were written. It is not part of what wasm2go
// makes; generate.sh has the stores call it.
type pages struct {
	// Dirty has a byte for each page of 256 bytes, modulo 16 MiB.
	Dirty [1 << 16]byte
}

func (p *pages) mark(from, n uint64) {
	if n == 0 {
		return
	}
	for page := from >> PageBits; page <= (from+n-1)>>PageBits; page++ {
		p.Dirty[uint16(page)] = 1
	}
}

// Mark notes that the host writes to the memory.
func (m *Module) Mark(from int32, n int) { m.mark(uint64(uint32(from)), uint64(n)) }

func store8[T uint32 | uint64](m *Module, addr T, val byte) {
	m.Dirty[uint16(uint64(addr)>>PageBits)] = 1
	m.memory[addr] = val
}
