package main

import (
	"fmt"
	"sync"
)

// maxProblems bounds what is kept: a server that is broken breaks everything.
const maxProblems = 1000

// problems are the violations that are seen while the harness runs.
type problems struct {
	mu   sync.Mutex
	list []violation
}

func (p *problems) add(format string, args ...any) { p.addKind(misbehaved, format, args...) }

func (p *problems) addKind(kind, format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.list) < maxProblems {
		p.list = append(p.list, violation{kind, fmt.Sprintf(format, args...)})
	}
}

func (p *problems) all() []violation {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]violation(nil), p.list...)
}
