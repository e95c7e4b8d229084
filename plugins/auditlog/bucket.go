package auditlog

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/pylon-go/pylon/internal/objectstore"
	"github.com/pylon-go/pylon/plugin"
)

// bucket is a declared bucket with its credentials.
type bucket struct {
	options objectstore.Options
	prefix  string
	retain  time.Duration
	now     func() time.Time

	*objectstore.Bucket
}

// validateBucket resolves a bucket's credentials.
func (p *Plugin) validateBucket(c *plugin.Check, d *Bucket) *bucket {
	b := &bucket{prefix: strings.Trim(d.Prefix, "/"), retain: time.Duration(d.RetainDays) * 24 * time.Hour}
	if b.prefix != "" {
		b.prefix += "/"
	}
	b.options = objectstore.Options{Endpoint: d.Endpoint, Region: d.Region, Bucket: d.Bucket}
	for _, env := range []struct {
		key, name string
		to        *string
	}{{"access_key_env", d.AccessKeyEnv, &b.options.AccessKey}, {"secret_key_env", d.SecretKeyEnv, &b.options.SecretKey}} {
		if env.name == "" {
			c.Problems.Add(d.Node.Problem("MISSING_KEY", "the key %q is missing", env.key))
		} else if *env.to = c.Getenv(env.name); *env.to == "" {
			c.Problems.Add(d.Node.At(env.key).Problem("MISSING_ENV", "the environment variable %s is not set or empty", env.name))
		}
	}
	if d.Bucket == "" {
		c.Problems.Add(d.Node.At("bucket").Problem("INVALID_VALUE", "the bucket has no name"))
	}
	if d.RetainDays < 0 || d.RetainDays > 36500 {
		c.Problems.Add(d.Node.At("retain_days").Problem("INVALID_VALUE", "must be 0 (no lock) to 36500"))
	}
	if _, err := objectstore.Open(b.options); err != nil {
		c.Problems.Add(d.Node.At("endpoint").Problem("INVALID_URL", "%s", err))
	}
	return b
}

func (b *bucket) open(transport http.RoundTripper, now func() time.Time) {
	b.options.Transport, b.now = transport, now
	var err error
	if b.Bucket, err = objectstore.Open(b.options); err != nil {
		panic(fmt.Sprintf("a bucket that was valid: %v", err)) // Validate opened it with the same options
	}
}

func (b *bucket) until() time.Time {
	if b.retain == 0 {
		return time.Time{}
	}
	return b.now().Add(b.retain)
}

func (b *bucket) name() string { return "s3:" + b.options.Bucket + "/" + b.prefix }

// bucketAnchor keeps each tree head in an object of its own.
type bucketAnchor struct{ bucket *bucket }

func (a *bucketAnchor) use(p *Plugin) { a.bucket.open(p.client.Transport, p.clock.Now) }
func (a *bucketAnchor) name() string  { return a.bucket.name() }

// key orders the heads of a log by size.
func (a *bucketAnchor) key(c checkpoint) string {
	return fmt.Sprintf("%scheckpoint/%s/%020d", a.bucket.prefix, c.Origin, c.Size)
}

func (a *bucketAnchor) publish(ctx context.Context, c checkpoint, record AnchorRecord) error {
	err := a.bucket.Put(ctx, a.key(c), []byte(record.Note), objectstore.PutOptions{ContentType: "text/plain", IfAbsent: true, RetainUntil: a.bucket.until()})
	if errors.Is(err, objectstore.ErrExists) {
		return errAlready
	}
	return err
}

// errAlready says that an anchor has the tree head.
var errAlready = errors.New("the anchor has this tree head")

// records are the oldest versions: what was put over or deleted later counts as it
// was. The time is the store's.
func (a *bucketAnchor) records(ctx context.Context) ([]AnchorRecord, error) {
	oldest := map[string]objectstore.Version{}
	if err := a.bucket.Versions(ctx, a.bucket.prefix+"checkpoint/", func(v objectstore.Version) error {
		// The newest comes first; times have whole seconds only.
		if known, ok := oldest[v.Key]; !v.Deleted && (!ok || !v.Modified.After(known.Modified)) {
			oldest[v.Key] = v
		}
		return nil
	}); err != nil {
		return nil, err
	}
	var records []AnchorRecord
	for _, v := range oldest {
		note, err := a.bucket.GetVersion(ctx, v, maxNote)
		if err != nil {
			return nil, err
		}
		records = append(records, AnchorRecord{string(note), v.Modified})
	}
	slices.SortFunc(records, func(x, y AnchorRecord) int { return x.At.Compare(y.At) })
	return records, nil
}
