package process

import (
	"os"
	"testing"
	"time"
)

func TestOwnUsage(t *testing.T) {
	memory, err := RSS(os.Getpid())
	if err != nil || memory < 1<<20 {
		t.Errorf("rss %d, %v", memory, err)
	}
	before, err := CPUTime(os.Getpid())
	after := before
	for start := time.Now(); err == nil && after == before && time.Since(start) < 10*time.Second; { // work for a tick
		after, err = CPUTime(os.Getpid())
	}
	if err != nil || after <= before || after-before > 2*time.Second {
		t.Errorf("cpu from %s to %s, %v", before, after, err)
	}
}
