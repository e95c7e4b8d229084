package auditlog

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/pylon-go/pylon/store"
)

// anchor is a place outside of the database that keeps tree heads.
type anchor interface {
	// use gives it what it needs from the plugin.
	use(p *Plugin)
	name() string
	// publish keeps a tree head. It may be one that is there.
	publish(ctx context.Context, c checkpoint, record AnchorRecord) error
	// records are the tree heads that it holds; errNotReadable where it cannot tell.
	records(ctx context.Context) ([]AnchorRecord, error)
}

var errNotReadable = errors.New("what this anchor holds is read where it leads to")

const (
	// republishEvery is how often the last head is published again when there is no
	// new one, so that an anchor's silence means something.
	republishEvery = 10 * time.Minute
	publishTimeout = 15 * time.Second
)

// publisher brings tree heads to the anchors.
type publisher struct {
	p    *Plugin
	wake chan struct{}

	mu   sync.Mutex
	done map[string]int64 // size that was published, by anchor
	bad  map[string]bool
}

func newPublisher(p *Plugin) *publisher {
	return &publisher{p: p, wake: make(chan struct{}, 1), done: map[string]int64{}, bad: map[string]bool{}}
}

func (u *publisher) rouse() {
	select {
	case u.wake <- struct{}{}:
	default:
	}
}

func (u *publisher) run(ctx context.Context) {
	if len(u.p.anchors) == 0 {
		return
	}
	every := time.Duration(u.p.config.AnchorSecs) * time.Second
	for {
		idle := u.p.clock.NewTimer(republishEvery)
		select {
		case <-ctx.Done():
			idle.Stop()
			return
		case <-u.wake:
			idle.Stop()
		case <-idle.Chan():
			// What is not sealed yet is older than what the anchor will note.
			if u.p.Seal(ctx) != nil {
				continue // the sealer tells
			}
			u.mu.Lock()
			clear(u.done)
			u.mu.Unlock()
		}
		if err := u.publish(ctx); err != nil && ctx.Err() == nil {
			u.rouse() // it is tried again
		}
		u.p.pause(ctx, every)
	}
}

// publish brings the last head to every anchor that does not have it. An anchor
// that fails does not hold up the others, nor any write.
func (u *publisher) publish(ctx context.Context) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	last := u.p.head.Load()
	if last == nil || last.Size == 0 || len(u.p.anchors) == 0 {
		return nil
	}
	msg, err := u.p.noteOf(ctx, last.Size)
	if err != nil {
		return err
	}
	var errs []error
	for _, a := range u.p.anchors {
		if u.done[a.name()] >= last.Size {
			continue
		}
		now := u.p.clock.Now().UTC()
		limit, cancel := context.WithTimeout(ctx, publishTimeout)
		err := a.publish(limit, *last, AnchorRecord{msg, now})
		cancel()
		if err == nil {
			u.done[a.name()] = last.Size
			err = u.p.published(ctx, a.name(), last.Size, now)
		} else if errors.Is(err, errAlready) {
			u.done[a.name()] = last.Size
			err = nil
		}
		u.p.metrics.anchored(ctx, a.name(), err == nil)
		if err != nil {
			errs = append(errs, fmt.Errorf("anchor %s: %w", a.name(), err))
			if !u.bad[a.name()] {
				u.p.log.Error("a tree head of the audit log did not reach an anchor; it is tried again", "anchor", a.name(), "error", err)
			}
		}
		u.bad[a.name()] = err != nil
	}
	return errors.Join(errs...)
}

// noteOf is the signed head of a size.
func (p *Plugin) noteOf(ctx context.Context, size int64) (msg string, err error) {
	err = p.db.View(ctx, func(tx *store.Tx) error {
		return tx.Query("SELECT note FROM "+checkpointTable+" WHERE size=?", []store.Value{store.Int(size)}, func(r store.Rows) error {
			msg = r.Value(0, store.TypeString).Str()
			return nil
		})
	})
	if err == nil && msg == "" {
		err = fmt.Errorf("the checkpoint of size %d is missing", size)
	}
	return msg, err
}

// published notes how much an anchor should hold.
func (p *Plugin) published(ctx context.Context, anchor string, size int64, at time.Time) error {
	return p.db.Update(store.ReadCommitted(store.WithActor(ctx, store.System(name))), func(tx *store.Tx) error {
		return tx.Exec("INSERT INTO "+anchorTable+" (anchor,size,published,at) VALUES (?,?,1,?) ON CONFLICT (anchor) DO UPDATE SET size=excluded.size, published="+anchorTable+".published+1, at=excluded.at",
			store.String(anchor), store.Int(size), store.Time(at))
	})
}

// fileAnchor appends tree heads to a file, a line of JSON each.
type fileAnchor struct{ path string }

func (a *fileAnchor) use(*Plugin)  {}
func (a *fileAnchor) name() string { return "file:" + a.path }

func (a *fileAnchor) publish(_ context.Context, _ checkpoint, record AnchorRecord) error {
	line, err := json.Marshal(record)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(a.path), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(a.path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(append(line, '\n'))
	return errors.Join(err, f.Sync(), f.Close())
}

func (a *fileAnchor) records(context.Context) ([]AnchorRecord, error) {
	f, err := os.Open(a.path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return ReadAnchorFile(f)
}

// ReadAnchorFile reads the file of an anchor. What is not a tree head there is one
// that nothing signed.
func ReadAnchorFile(r io.Reader) (records []AnchorRecord, err error) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 2*maxNote)
	for lines.Scan() {
		if len(bytes.TrimSpace(lines.Bytes())) == 0 {
			continue
		}
		var rec AnchorRecord
		if json.Unmarshal(lines.Bytes(), &rec) != nil {
			rec = AnchorRecord{Note: lines.Text()}
		}
		records = append(records, rec)
	}
	return records, lines.Err()
}

// logAnchor writes tree heads to the server's log, for wherever that is kept.
type logAnchor struct{ log *slog.Logger }

func (a *logAnchor) use(p *Plugin) { a.log = p.log }
func (a *logAnchor) name() string  { return "log" }

func (a *logAnchor) publish(_ context.Context, c checkpoint, record AnchorRecord) error {
	a.log.Info("audit log checkpoint", "origin", c.Origin, "size", c.Size, "root", c.Root.String(), "note", record.Note)
	return nil
}

func (a *logAnchor) records(context.Context) ([]AnchorRecord, error) { return nil, errNotReadable }

// httpAnchor sends tree heads to an address, as an [AnchorRecord] in JSON.
type httpAnchor struct {
	url     string
	headers http.Header
	client  *http.Client
}

func (a *httpAnchor) use(p *Plugin) { a.client = p.client }

// name leaves out what may be a secret.
func (a *httpAnchor) name() string {
	address, _, _ := strings.Cut(a.url, "?")
	return "http:" + address
}

func (a *httpAnchor) publish(ctx context.Context, _ checkpoint, record AnchorRecord) error {
	return postJSON(ctx, a.client, a.url, a.headers, record)
}

func (a *httpAnchor) records(context.Context) ([]AnchorRecord, error) { return nil, errNotReadable }

// postJSON sends a value and wants a 2xx.
func postJSON(ctx context.Context, client *http.Client, url string, headers http.Header, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return errors.New("not an address")
	}
	for k, v := range headers {
		req.Header[k] = v
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := client.Do(req)
	if err != nil { // without the address, which may hold a secret
		return fmt.Errorf("no answer: %w", errors.Unwrap(err))
	}
	defer res.Body.Close()
	io.Copy(io.Discard, io.LimitReader(res.Body, 64<<10)) //nolint:errcheck // only for the connection's sake
	if res.StatusCode/100 != 2 {
		return fmt.Errorf("answered %s", res.Status)
	}
	return nil
}
