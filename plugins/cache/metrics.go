package cache

import (
	"context"
	"errors"
	"fmt"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// observe shows an engine's counts on the meter. They are read when somebody asks
// for them, so that hits do not pay for it.
func observe(e *Engine, meter metric.Meter) error {
	var errs []error
	counter := func(name, what string) metric.Int64ObservableCounter {
		c, err := meter.Int64ObservableCounter(name, metric.WithDescription(what))
		errs = append(errs, err)
		return c
	}
	gauge := func(name, what string) metric.Int64ObservableGauge {
		g, err := meter.Int64ObservableGauge(name, metric.WithDescription(what))
		errs = append(errs, err)
		return g
	}
	var (
		gets        = counter("pylon_cache_gets_total", "Keys asked of the cache, by result: hit or miss.")
		sets        = counter("pylon_cache_sets_total", "Values kept.")
		refused     = counter("pylon_cache_refused_total", "Values not kept because they were loaded before an invalidation.")
		evictions   = counter("pylon_cache_evictions_total", "Entries that made room for others.")
		expirations = counter("pylon_cache_expirations_total", "Entries found past their time to live.")
		dropped     = counter("pylon_cache_invalidated_total", "Entries found dead by an invalidation.")
		calls       = counter("pylon_cache_invalidations_total", "Calls that invalidate, by kind: prefix or key.")
		entries     = gauge("pylon_cache_entries", "Entries kept.")
		bytes       = gauge("pylon_cache_bytes", "Bytes of their keys and values.")
	)
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("making the metrics of the cache: %w", err)
	}
	label := func(key, value string) metric.MeasurementOption {
		return metric.WithAttributeSet(attribute.NewSet(attribute.String(key, value)))
	}
	hit, miss, prefix, key := label("result", "hit"), label("result", "miss"), label("kind", "prefix"), label("kind", "key")
	_, err := meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		s := e.Stats()
		o.ObserveInt64(gets, int64(s.Hits), hit)
		o.ObserveInt64(gets, int64(s.Misses), miss)
		o.ObserveInt64(sets, int64(s.Sets))
		o.ObserveInt64(refused, int64(s.Refused))
		o.ObserveInt64(evictions, int64(s.Evictions))
		o.ObserveInt64(expirations, int64(s.Expirations))
		o.ObserveInt64(dropped, int64(s.Invalidated))
		o.ObserveInt64(calls, int64(s.Invalidations), prefix)
		o.ObserveInt64(calls, int64(s.Deletions), key)
		o.ObserveInt64(entries, int64(s.Entries))
		o.ObserveInt64(bytes, s.Bytes)
		return nil
	}, gets, sets, refused, evictions, expirations, dropped, calls, entries, bytes)
	if err != nil {
		return fmt.Errorf("making the metrics of the cache: %w", err)
	}
	return nil
}
