package main

import (
	"context"
	"time"

	"github.com/maypok86/otter/v2"

	"github.com/pylon-go/pylon/plugin"
	"github.com/pylon-go/pylon/plugins/cache"
)

// subject is a cache under measurement.
type subject interface {
	get(key string) bool
	set(key, value string, ttl time.Duration)
	settle() // lets work in the background catch up
	close() error
}

type kind struct {
	name string
	make func(entries int) (subject, error)
}

var policies = []string{cache.LRU, cache.S3FIFO}

var subjects = []kind{
	{"pylon lru", func(n int) (subject, error) { return newPylon(n, cache.LRU) }},
	{"pylon s3fifo", func(n int) (subject, error) { return newPylon(n, cache.S3FIFO) }},
	{"otter", newOtter},
}

// pylon is the plugin's engine, as the host runs it: with its counts.
type pylon struct{ *cache.Engine }

func newPylon(entries int, policy string) (pylon, error) {
	e, err := cache.New(cache.Options{MaxEntries: entries, DefaultTTL: time.Hour, Policy: policy})
	return pylon{e}, err
}

func (p pylon) get(key string) bool { return p.Get(context.Background(), key).Found }
func (p pylon) set(key, value string, ttl time.Duration) {
	p.Set(context.Background(), nil, key, value, plugin.CacheLife{TTL: ttl})
}
func (p pylon) settle()      {}
func (p pylon) close() error { return p.Close(context.Background()) }

// timed is a value with its time to live, which otter asks for.
type timed struct {
	value string
	ttl   time.Duration
}

// otterCache has its default clock, a time to live for each entry, and no statistics.
type otterCache struct{ *otter.Cache[string, timed] }

func newOtter(entries int) (subject, error) {
	c, err := otter.New(&otter.Options[string, timed]{
		MaximumSize:      entries,
		ExpiryCalculator: otter.ExpiryWritingFunc(func(e otter.Entry[string, timed]) time.Duration { return e.Value.ttl }),
	})
	return otterCache{c}, err
}

func (o otterCache) get(key string) bool {
	_, ok := o.GetIfPresent(key)
	return ok
}
func (o otterCache) set(key, value string, ttl time.Duration) { o.Set(key, timed{value, ttl}) }
func (o otterCache) settle()                                  { o.CleanUp() }
func (o otterCache) close() error {
	o.StopAllGoroutines()
	return nil
}
