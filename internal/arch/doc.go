// Package arch holds the test that keeps the direction of imports: the table of
// rooms in ARCHITECTURE.md as data, checked against what packages really import.
package arch
