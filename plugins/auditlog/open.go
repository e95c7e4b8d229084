package auditlog

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/pylon-go/pylon/store"
)

// What stateTable knows.
const (
	stateOrigin = "origin"
	stateKid    = "kid"
	stateConfig = "config"
)

// deadAfter is how long a process says nothing before others take it for dead, where
// several serve one database.
const deadAfter = 2 * time.Minute

// open makes the log or goes on with it: it finds what processes that died left
// behind, hands over to a new key, and enters this process as a writer.
func (p *Plugin) open(ctx context.Context) error {
	fresh := p.freshOrigin()
	if err := p.floorIDs(ctx); err != nil {
		return err
	}
	p.batching.Lock()
	defer p.batching.Unlock()
	p.head.Store(nil)
	w := p.writer.Load()
	reconfigured := false
	err := p.sealWith2(ctx, fresh, func(s *sealing, state map[string]string) error {
		if state[stateOrigin] == "" {
			if err := s.setState(stateOrigin, p.origin); err != nil {
				return err
			}
			if err := s.setState(stateKid, p.kid()); err != nil {
				return err
			}
			opened := openedEvent{Origin: p.origin, Kid: p.kid()}
			if p.signer != nil {
				opened.Key = p.signer.vkey
			}
			if err := s.event(eventOpened, opened); err != nil {
				return err
			}
		} else if state[stateKid] != p.kid() {
			if err := p.rotate(s, state[stateKid]); err != nil {
				return err
			}
		}
		if err := p.recover(s, w.id); err != nil {
			return err
		}
		if err := s.enter(w.id); err != nil {
			return err
		}
		shown, err := p.shownConfig()
		if err != nil {
			return err
		}
		reconfigured = state[stateConfig] != "" && state[stateConfig] != shown
		if err := s.setState(stateConfig, shown); err != nil || !reconfigured {
			return err
		}
		// As an entry too, for people to read: it is sealed with the next ones.
		return p.record(s.tx, entry{entity: entityName, rowID: p.origin, operation: "config_changed", outcome: outcomeOK,
			before: store.String(state[stateConfig]), after: store.String(shown), actor: system()})
	})
	if err != nil {
		return fmt.Errorf("open the audit log: %w", err)
	}
	p.wasUnsigned = false
	p.epochAt = p.clock.Now()
	if reconfigured {
		p.log.Info("the configuration of audit_log changed; the change is in the log")
	}
	return nil
}

func system() *store.Actor {
	a := store.System(name)
	return &a
}

// sealWith2 is sealWith for a log whose origin is not known yet.
func (p *Plugin) sealWith2(ctx context.Context, fresh string, fn func(*sealing, map[string]string) error) error {
	state := map[string]string{}
	err := p.db.View(ctx, func(tx *store.Tx) (err error) {
		state, err = readState(tx)
		return err
	})
	if err != nil {
		return err
	}
	p.wasUnsigned = state[stateKid] == ""
	if kid := state[stateKid]; kid != "" && !slices.ContainsFunc(p.keys, func(k *key) bool { return k.kid == kid }) {
		return unknownKid(kid)
	}
	origin := state[stateOrigin]
	if origin == "" {
		origin = fresh
	}
	if err := p.named(origin); err != nil {
		return err
	}
	again := errors.New("another process opened the log")
	err = p.sealWith(ctx, func(s *sealing) error {
		now, err := readState(s.tx)
		if err != nil {
			return err
		}
		if now[stateOrigin] != "" && now[stateOrigin] != origin {
			return again
		}
		return fn(s, now)
	})
	if errors.Is(err, again) {
		return p.sealWith2(ctx, fresh, fn)
	}
	return err
}

// named takes the log's origin.
func (p *Plugin) named(origin string) error {
	p.origin, p.signer, p.signersOf = origin, nil, nil
	for _, k := range p.keys {
		s, err := k.signer(origin)
		if err != nil {
			return err
		}
		p.signersOf = append(p.signersOf, s)
	}
	if len(p.signersOf) > 0 {
		p.signer = p.signersOf[0]
	}
	return nil
}

// freshOrigin names a new log: C2SP wants a name without a scheme, unique to the log.
func (p *Plugin) freshOrigin() string {
	var id [8]byte
	rand.Read(id[:])
	app := strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z', '0' <= r && r <= '9', r == '-', r == '.':
			return r
		case 'A' <= r && r <= 'Z':
			return r + 'a' - 'A'
		}
		return '-'
	}, p.app)
	return app + "/audit/" + hex.EncodeToString(id[:])
}

func readState(tx *store.Tx) (map[string]string, error) {
	state := map[string]string{}
	err := tx.Query("SELECT name, value FROM "+stateTable, nil, func(r store.Rows) error {
		state[r.Value(0, store.TypeString).Str()] = r.Value(1, store.TypeString).Str()
		return nil
	})
	return state, err
}

func (s *sealing) setState(key, value string) error {
	return s.tx.Exec("INSERT INTO "+stateTable+" (name,value) VALUES (?,?) ON CONFLICT (name) DO UPDATE SET value=excluded.value", store.String(key), store.String(value))
}

// rotate hands the log over from one key to the next: the event and the tree head
// that contains it are signed with both.
func (p *Plugin) rotate(s *sealing, from string) error {
	e := rotatedEvent{From: from, To: p.kid(), ToKey: p.signer.vkey}
	var old []*key
	if from != "" {
		i := slices.IndexFunc(p.keys, func(k *key) bool { return k.kid == from })
		if i < 0 {
			return unknownKid(from)
		}
		e.FromKey = p.signersOf[i].vkey
		old = append(old, p.keys[i])
		s.signers = append(s.signers, p.signersOf[i])
	}
	if err := s.event(eventRotated, e, old...); err != nil {
		return err
	}
	return s.setState(stateKid, p.kid())
}

func unknownKid(kid string) error {
	return fmt.Errorf("the log was signed with the key %s, which is not in signing_key_env: name the old key in signing_key_env after the new one, so that both can sign the change", kid)
}

// enter makes this process a writer.
func (s *sealing) enter(id string) error {
	if err := s.tx.Exec("INSERT INTO "+writerTable+" (writer,kid,floor,sealed,seen_at,closed) VALUES (?,?,?,0,?,?)",
		store.String(id), store.String(s.p.kid()), store.String(""), store.Time(s.tx.Now()), store.Bool(false)); err != nil {
		return err
	}
	return s.epoch(epochEvent{Writer: id, Kid: s.p.kid(), Signed: s.p.config.SignEntries}, "")
}

// openWriter makes this process a new writer, after others took it for dead.
func (p *Plugin) openWriter(ctx context.Context) error {
	w := newWriter(p.wake)
	if err := p.sealWith(ctx, func(s *sealing) error { return s.enter(w.id) }); err != nil {
		return err
	}
	p.writer.Store(w)
	p.epochAt = p.clock.Now()
	p.log.Warn("this process said nothing for so long that others took it for dead; it goes on under a new name in the audit log")
	return nil
}

// floorIDs makes new ids younger than those there are, whatever the clock says.
func (p *Plugin) floorIDs(ctx context.Context) error {
	p.floor = time.Time{}
	return p.db.View(ctx, func(tx *store.Tx) error {
		latest := store.ID(ulidAt(p.clock.Now().Add(24 * time.Hour))) // what is younger is not ours
		return tx.Query("SELECT id FROM "+store.Quote(entityName)+" WHERE id < ? ORDER BY id DESC LIMIT 1", []store.Value{latest}, func(r store.Rows) error {
			if at, ok := ulidTime(r.Value(0, store.TypeID).Str()); ok {
				p.floor = at.Add(time.Millisecond)
			}
			return nil
		})
	})
}

// shownConfig is what of the config decides what is recorded and kept. It holds
// names, no addresses and nothing from the environment.
func (p *Plugin) shownConfig() (string, error) {
	list := func(n names) any {
		if n.all {
			return "*"
		}
		return n.list
	}
	c := &p.config
	var anchors []string
	for _, a := range c.Anchors {
		anchors = append(anchors, a.Type)
	}
	b, err := json.Marshal(map[string]any{
		"entities": list(c.Entities), "include_fields": list(c.IncludeFields), "exclude_fields": list(c.ExcludeFields),
		"mask_fields": list(c.MaskFields), "hash_fields": list(c.HashFields), "sign_entries": c.SignEntries,
		"record_denied": c.RecordDenied, "record_views": c.RecordViews, "retention_days": c.RetentionDays,
		"on_seal_lag": c.OnSealLag, "verify_secs": c.VerifySecs, "anchors": anchors, "export": c.Export != nil,
	})
	return string(b), err
}
