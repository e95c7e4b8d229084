package postgres

import (
	"math"
	"strings"
	"testing"

	"github.com/pylon-go/pylon/store"
)

func TestPlaceholdersGetNumbers(t *testing.T) {
	for query, want := range map[string]string{
		"":                                "",
		"SELECT 1":                        "SELECT 1",
		"SELECT ?":                        "SELECT $1",
		"?,?,?":                           "$1,$2,$3",
		`SELECT "a?b" = ?, 'c?' || ?`:     `SELECT "a?b" = $1, 'c?' || $2`,
		`'it''s ?' ? "say ""?""" ?`:       `'it''s ?' $1 "say ""?""" $2`,
		"? -- really?\n?":                 "$1 -- really?\n$2",
		"? /* ? */ ?":                     "$1 /* ? */ $2",
		"a - ? / ?":                       "a - $1 / $2",
		"'not ended ?":                    "'not ended ?",
		"/* not ended ?":                  "/* not ended ?",
		"-- not ended ?":                  "-- not ended ?",
		strings.Repeat("?", 11):           "$1$2$3$4$5$6$7$8$9$10$11",
		`SELECT 'ä?' , "日本?" WHERE x = ?`: `SELECT 'ä?' , "日本?" WHERE x = $1`,
	} {
		if got := numbered(query); got != want {
			t.Errorf("%q: got %q, want %q", query, got, want)
		}
	}
}

// Outside of quotes and comments nothing but placeholders changes, and there none.
func FuzzPlaceholders(f *testing.F) {
	for _, s := range []string{"? '?' ?", `"?`, "--?\n?", "/*?*/?", "''?''", "/*/?*/?"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, query string) {
		got := numbered(query)
		back := got
		for n := strings.Count(query, "?"); n > 0; n-- {
			// The query may have had such a text itself, so undo only as many as were made.
			if made := strings.Count(got, "$") - strings.Count(query, "$"); n <= made {
				i := strings.LastIndex(back, "$"+itoa(n))
				if i < 0 {
					t.Fatalf("%q became %q: no placeholder %d", query, got, n)
				}
				back = back[:i] + "?" + back[i+1+len(itoa(n)):]
			}
		}
		if !strings.Contains(query, "$") && back != query {
			t.Fatalf("%q became %q and that %q", query, got, back)
		}
	})
}

func itoa(n int) string { return string(store.Int(int64(n)).AppendJSON(nil)) }

func TestPlainReads(t *testing.T) {
	for query, want := range map[string]bool{
		"SELECT 1": true, " select x from y": true, "SELECT x FROM y FOR UPDATE": false, "SELECT x FROM y FOR UPDATE SKIP LOCKED": false,
		"UPDATE x SET y=1 RETURNING z": false, "INSERT INTO x VALUES (1)": false, "DELETE FROM x": false,
		"WITH a AS (SELECT 1) SELECT * FROM a": true, "WITH a AS (SELECT 1) UPDATE x SET y=1": false, "VALUES (1)": true,
	} {
		if got := plainRead(query); got != want {
			t.Errorf("%s: %v", query, got)
		}
	}
}

// A value that does not fit is refused, never bent.
func TestEncodeRefuses(t *testing.T) {
	for _, c := range []struct {
		v   store.Value
		oid uint32
	}{
		{store.String("1"), oidInt8}, {store.Float(1.5), oidInt8}, {store.Float(1 << 63), oidInt8}, {store.Float(math.Inf(1)), oidInt8}, {store.Bool(true), oidInt8},
		{store.Micros(1), oidInt8}, {store.Int(1 << 31), oidInt4}, {store.Int(-1<<31 - 1), oidInt4}, {store.Int(1 << 15), oidInt2},
		{store.Int(1), oidBool}, {store.String("true"), oidBool}, {store.Int(1), oidTimestamptz}, {store.String("2026"), oidTimestamptz},
		{store.Int(1), oidBytea}, {store.String("1"), oidFloat8}, {store.Bytes([]byte("x")), oidText},
		{store.String("a\x00b"), oidText}, {store.String("a\xff"), oidText},
	} {
		if got, err := encode(nil, c.v, c.oid); err == nil {
			t.Errorf("%#v as %d is %x", c.v, c.oid, got)
		}
	}
	if _, err := encode(nil, store.String("a\x00b"), oidText); !store.IsKind(err, store.Invalid) {
		t.Errorf("U+0000 is not the caller's error: %v", err)
	}
}
