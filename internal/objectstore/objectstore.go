// Package objectstore is a bucket in a store that speaks S3: what several plugins
// need of one, and no more.
package objectstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// Options say which bucket, and who asks.
type Options struct {
	// Endpoint is the store's address, https:// or http://; AWS when empty.
	Endpoint  string
	Region    string
	Bucket    string
	AccessKey string
	SecretKey string
	// Transport makes the connections, through the guard where there is one.
	Transport http.RoundTripper
}

// Bucket is an open bucket. Its methods may be called from many goroutines.
type Bucket struct {
	client *minio.Client
	name   string
}

var (
	// ErrExists is answered by a [Bucket.Put] that must not replace anything.
	ErrExists = errors.New("the object exists")
	// ErrNotFound is answered where there is no such object.
	ErrNotFound = errors.New("no such object")
)

// Open makes ready to use a bucket. It asks nothing of the store yet.
func Open(o Options) (*Bucket, error) {
	host, secure := "s3.amazonaws.com", true
	if o.Endpoint != "" {
		u, err := url.Parse(o.Endpoint)
		if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || strings.Trim(u.Path, "/") != "" {
			return nil, errors.New("the endpoint must be https:// or http:// and a host")
		}
		host, secure = u.Host, u.Scheme == "https"
	}
	c, err := minio.New(host, &minio.Options{
		Creds:     credentials.NewStaticV4(o.AccessKey, o.SecretKey, ""),
		Secure:    secure,
		Region:    o.Region,
		Transport: o.Transport,
	})
	if err != nil {
		return nil, fmt.Errorf("use the object store: %w", err)
	}
	return &Bucket{c, o.Bucket}, nil
}

// PutOptions say how an object is kept.
type PutOptions struct {
	ContentType string
	// IfAbsent refuses to replace an object, with ErrExists.
	IfAbsent bool
	// RetainUntil locks the object in compliance mode: until then nobody can change or
	// delete it, whoever he is. The bucket must have Object Lock.
	RetainUntil time.Time
}

// Put writes an object.
func (b *Bucket) Put(ctx context.Context, key string, body []byte, o PutOptions) error {
	put := minio.PutObjectOptions{ContentType: o.ContentType, DisableMultipart: true, SendContentMd5: true} // which Object Lock asks for
	if o.IfAbsent {
		put.SetMatchETagExcept("*")
	}
	if !o.RetainUntil.IsZero() {
		put.Mode, put.RetainUntilDate = minio.Compliance, o.RetainUntil.UTC().Truncate(time.Second)
	}
	_, err := b.client.PutObject(ctx, b.name, key, bytes.NewReader(body), int64(len(body)), put)
	return explain(err)
}

// Get reads an object of at most limit bytes, in its newest version.
func (b *Bucket) Get(ctx context.Context, key string, limit int64) ([]byte, error) {
	return b.get(ctx, key, "", limit)
}

func (b *Bucket) get(ctx context.Context, key, version string, limit int64) ([]byte, error) {
	object, err := b.client.GetObject(ctx, b.name, key, minio.GetObjectOptions{VersionID: version})
	if err != nil {
		return nil, explain(err)
	}
	defer object.Close()
	body, err := io.ReadAll(io.LimitReader(object, limit+1))
	if err != nil {
		return nil, explain(err)
	}
	if int64(len(body)) > limit {
		return nil, fmt.Errorf("the object is larger than %d bytes", limit)
	}
	return body, nil
}

// Version is one version of an object.
type Version struct {
	Key      string
	ID       string
	Modified time.Time
	// Deleted is the mark that a deletion leaves in a bucket with versions.
	Deleted bool
}

// Keys calls fn for the objects below a prefix, in order.
func (b *Bucket) Keys(ctx context.Context, prefix string, fn func(Version) error) error {
	return b.list(ctx, prefix, false, fn)
}

// Versions calls fn for all versions of the objects below a prefix. A bucket without
// versions has one of each.
func (b *Bucket) Versions(ctx context.Context, prefix string, fn func(Version) error) error {
	return b.list(ctx, prefix, true, fn)
}

func (b *Bucket) list(ctx context.Context, prefix string, versions bool, fn func(Version) error) error {
	ctx, cancel := context.WithCancel(ctx) // ends the listing when fn does
	defer cancel()
	for o := range b.client.ListObjects(ctx, b.name, minio.ListObjectsOptions{Prefix: prefix, Recursive: true, WithVersions: versions}) {
		if o.Err != nil {
			return explain(o.Err)
		}
		if err := fn(Version{o.Key, o.VersionID, o.LastModified, o.IsDeleteMarker}); err != nil {
			return err
		}
	}
	return nil
}

// GetVersion reads one version of an object.
func (b *Bucket) GetVersion(ctx context.Context, v Version, limit int64) ([]byte, error) {
	return b.get(ctx, v.Key, v.ID, limit)
}

// Delete removes one version of an object, or the object where there are none.
func (b *Bucket) Delete(ctx context.Context, v Version) error {
	return explain(b.client.RemoveObject(ctx, b.name, v.Key, minio.RemoveObjectOptions{VersionID: v.ID}))
}

// explain keeps what the store said, without addresses.
func explain(err error) error {
	if err == nil {
		return nil
	}
	switch r := minio.ToErrorResponse(err); {
	case r.Code == "PreconditionFailed" || r.StatusCode == http.StatusPreconditionFailed:
		return ErrExists
	case r.Code == "NoSuchKey" || r.Code == "NoSuchVersion":
		return ErrNotFound
	case r.Code != "":
		return fmt.Errorf("the object store answered %s: %s", r.Code, r.Message)
	}
	var u *url.Error
	if errors.As(err, &u) {
		return fmt.Errorf("no answer of the object store: %w", u.Err)
	}
	return fmt.Errorf("use the object store: %w", err)
}
