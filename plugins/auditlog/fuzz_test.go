package auditlog

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"github.com/pylon-go/pylon/store"
)

func FuzzCheckpoint(f *testing.F) {
	f.Add("shop/audit/00\n1\n" + "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n")
	f.Add("shop/audit/00\n1\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\n— shop/audit/00 AAAAAAAA\n")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := parseCheckpoint(text)
		if err == nil && strings.Count(text, "\n") == 3 && c.text() != text {
			t.Fatalf("%q is read as %q", text, c.text())
		}
		if _, _, err := openCheckpoint(text, note.VerifierList()); err == nil {
			t.Fatal("a note that nothing signed is good")
		}
	})
}

func FuzzEvent(f *testing.F) {
	b, _ := makeEvent(eventEpoch, epochEvent{Writer: "w"})
	f.Add(b)
	f.Add([]byte{0, 0, 0, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		kind, data, signature, err := splitEvent(b)
		if err != nil {
			return
		}
		if again := appendText(appendEvent(nil, kind, data), signature); !bytes.Equal(again, b) {
			t.Fatalf("%x is read as %x", b, again)
		}
	})
}

func FuzzSignature(f *testing.F) {
	f.Add("v1:00112233:" + strings.Repeat("ab", 32))
	f.Add("v1:00112233")
	f.Fuzz(func(t *testing.T, s string) {
		kid, mac, err := splitSignature(store.String(s))
		if err == nil && formatSignature(kid, mac) != s {
			t.Fatalf("%q has a second form", s)
		}
	})
}

func FuzzBundle(f *testing.F) {
	f.Add([]byte{0, 1, 7, 0, 0}, 2)
	f.Fuzz(func(t *testing.T, b []byte, width int) {
		leaves, err := splitBundle(b, max(0, min(width, tileWidth)))
		if err == nil && len(leaves) != max(0, min(width, tileWidth)) {
			t.Fatal(len(leaves))
		}
	})
}

func FuzzPayload(f *testing.F) {
	f.Add([]byte("not zstd"))
	f.Fuzz(func(t *testing.T, b []byte) {
		readPayload(b) //nolint:errcheck // it must not panic or hang
	})
}

func FuzzAnchorFile(f *testing.F) {
	f.Add(`{"note":"x","at":"2026-01-31T09:30:00Z"}` + "\nrubbish\n")
	f.Fuzz(func(t *testing.T, text string) {
		ReadAnchorFile(strings.NewReader(text)) //nolint:errcheck // it must not panic
	})
}

// FuzzRedaction holds that JSON stays JSON, and that what is excluded is not there.
func FuzzRedaction(f *testing.F) {
	f.Add(`{"a":{"b":"SECRET","c":[{"b":1}]},"b":2}`)
	f.Add(`[[{"a":"SECRET"}]]`)
	f.Fuzz(func(t *testing.T, text string) {
		if !json.Valid([]byte(text)) {
			return
		}
		r := &rule{}
		r.set([]string{"a"}, skip)
		out, err := (&recorder{}).appendRuled(nil, r, []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		var v any
		if err := json.Unmarshal(out, &v); err != nil {
			t.Fatalf("%s becomes %s", text, out)
		}
		if m, ok := v.(map[string]any); ok {
			if _, there := m["a"]; there {
				t.Fatalf("%s becomes %s", text, out)
			}
		}
	})
}
