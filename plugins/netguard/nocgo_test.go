//go:build !cgo

package netguard

const systemResolver = false
