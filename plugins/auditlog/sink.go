package auditlog

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/pylon-go/pylon/internal/objectstore"
)

// sink is where an export goes.
type sink interface {
	use(p *Plugin)
	name() string
	// keep writes an object that never changes: what is there stays.
	keep(ctx context.Context, name string, data []byte) error
	// replace writes an object anew. Nothing of the one before it is left.
	replace(ctx context.Context, name string, data []byte) error
}

// folder is a sink on a disk.
type folder struct{ path string }

func (f *folder) use(*Plugin)  {}
func (f *folder) name() string { return "dir:" + f.path }

func (f *folder) keep(ctx context.Context, name string, data []byte) error {
	if _, err := os.Stat(filepath.Join(f.path, filepath.FromSlash(name))); err == nil {
		return nil
	} else if !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return f.replace(ctx, name, data)
}

// replace writes beside the file and renames, so that a crash leaves the old one or
// the new one.
func (f *folder) replace(_ context.Context, name string, data []byte) error {
	file := filepath.Join(f.path, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(file), ".new-*")
	if err != nil {
		return err
	}
	_, err = tmp.Write(data)
	err = errors.Join(err, tmp.Sync(), tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), file)
	}
	if err != nil {
		return errors.Join(err, os.Remove(tmp.Name()))
	}
	return nil
}

// bucketSink is a sink in an object store.
type bucketSink struct{ bucket *bucket }

func (s *bucketSink) use(p *Plugin) { s.bucket.open(p.client.Transport, p.clock.Now) }
func (s *bucketSink) name() string  { return s.bucket.name() }

func (s *bucketSink) keep(ctx context.Context, name string, data []byte) error {
	err := s.bucket.Put(ctx, s.bucket.prefix+name, data, objectstore.PutOptions{ContentType: "application/octet-stream", IfAbsent: true, RetainUntil: s.bucket.until()})
	if errors.Is(err, objectstore.ErrExists) {
		return nil
	}
	return err
}

// replace removes the older versions too: in a bucket with Object Lock, putting over
// an object keeps what it was.
func (s *bucketSink) replace(ctx context.Context, name string, data []byte) error {
	key := s.bucket.prefix + name
	var old []objectstore.Version
	if err := s.bucket.Versions(ctx, key, func(v objectstore.Version) error {
		if v.Key == key {
			old = append(old, v)
		}
		return nil
	}); err != nil {
		return err
	}
	if err := s.bucket.Put(ctx, key, data, objectstore.PutOptions{ContentType: "application/octet-stream"}); err != nil {
		return err
	}
	for _, v := range old {
		if v.ID == "" || v.ID == "null" {
			continue // a bucket without versions: it is gone
		}
		if err := s.bucket.Delete(ctx, v); err != nil {
			return fmt.Errorf("remove what was there before: %w", err)
		}
	}
	return nil
}
