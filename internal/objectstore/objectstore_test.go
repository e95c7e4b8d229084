package objectstore_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/pylon-go/pylon/internal/objectstore"
	"github.com/pylon-go/pylon/internal/s3test"
)

func TestBucket(t *testing.T) {
	s := s3test.New(t)
	s.Bucket(t, "locked", true)
	b, err := objectstore.Open(objectstore.Options{Endpoint: s.Endpoint, Region: s.Region, Bucket: "locked", AccessKey: s.AccessKey, SecretKey: s.SecretKey})
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	lock := objectstore.PutOptions{IfAbsent: true, RetainUntil: time.Now().Add(time.Hour)}
	if err := b.Put(ctx, "a/1", []byte("one"), lock); err != nil {
		t.Fatal(err)
	}
	if err := b.Put(ctx, "a/1", []byte("other"), lock); !errors.Is(err, objectstore.ErrExists) {
		t.Fatal("an object is put over: ", err)
	}
	if body, err := b.Get(ctx, "a/1", 100); err != nil || string(body) != "one" {
		t.Fatal(string(body), err)
	}
	if _, err := b.Get(ctx, "a/1", 2); err == nil {
		t.Fatal("the limit does not hold")
	}
	if _, err := b.Get(ctx, "nothing", 2); !errors.Is(err, objectstore.ErrNotFound) {
		t.Fatal(err)
	}
	var versions []objectstore.Version
	collect := func(v objectstore.Version) error { versions = append(versions, v); return nil }
	if err := b.Versions(ctx, "a/", collect); err != nil || len(versions) != 1 || versions[0].Key != "a/1" {
		t.Fatal(versions, err)
	}
	if err := b.Delete(ctx, versions[0]); err == nil {
		t.Fatal("a locked object was deleted")
	}
	if err := b.Put(ctx, "b", []byte("x"), objectstore.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	n := 0
	if err := b.Keys(ctx, "", func(objectstore.Version) error { n++; return nil }); err != nil || n != 2 {
		t.Fatal(n, err)
	}
	wrong, err := objectstore.Open(objectstore.Options{Endpoint: s.Endpoint, Region: s.Region, Bucket: "locked", AccessKey: s.AccessKey, SecretKey: "wrong-secret"})
	if err != nil {
		t.Fatal(err)
	}
	if err := wrong.Put(ctx, "c", nil, objectstore.PutOptions{}); err == nil || strings.Contains(err.Error(), "wrong-secret") {
		t.Fatal(err)
	}
}

func TestEndpoints(t *testing.T) {
	for _, bad := range []string{"ftp://x", "x", "https://", "https://x/path"} {
		if _, err := objectstore.Open(objectstore.Options{Endpoint: bad, Bucket: "b"}); err == nil {
			t.Error(bad, "is accepted")
		}
	}
}
