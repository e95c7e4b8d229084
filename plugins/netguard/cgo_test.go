//go:build cgo

package netguard

// systemResolver says that the C library's resolver is compiled in.
const systemResolver = true
