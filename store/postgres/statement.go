package postgres

import (
	"fmt"
	"strconv"
	"strings"
	"sync"

	"github.com/pylon-go/pylon/store"
)

// statement is a prepared statement of one connection.
type statement struct {
	name          string
	plainRead     bool
	params        []uint32 // types
	paramFormats  []int16
	results       []uint32
	resultFormats []int16
	open          int // uses that need it to stay: queued, or with rows left
}

// args encodes the arguments of one use.
func (st *statement) args(values []store.Value) ([][]byte, error) {
	if len(st.params) != len(values) {
		return nil, fmt.Errorf("the statement has %d placeholders, but got %d values", len(st.params), len(values))
	}
	size := 8 * len(values)
	for _, v := range values {
		size += len(v.Str())
	}
	arena, out := make([]byte, 0, size), make([][]byte, len(values))
	for i, v := range values {
		if v.IsNull() {
			continue
		}
		from := len(arena)
		var err error
		if arena, err = encode(arena, v, st.params[i]); err != nil {
			return nil, fmt.Errorf("argument %d: %w", i+1, err)
		}
		out[i] = arena[from:len(arena):len(arena)]
	}
	return out, nil
}

// translated is what a statement's text means to PostgreSQL.
type translated struct {
	sql string
	// plainRead says that it reads rows without locking them.
	plainRead bool
}

// texts remembers translations. Filters make an open number of different
// statements, so it starts anew when it has grown.
var texts = struct {
	sync.RWMutex
	m map[string]translated
}{m: map[string]translated{}}

const maxTexts = 4096

func translate(query string) translated {
	texts.RLock()
	t, ok := texts.m[query]
	texts.RUnlock()
	if ok {
		return t
	}
	t = translated{sql: numbered(query), plainRead: plainRead(query)}
	texts.Lock()
	if len(texts.m) >= maxTexts {
		clear(texts.m)
	}
	texts.m[query] = t
	texts.Unlock()
	return t
}

// numbered turns the placeholders ? into $1, $2 … and leaves alone what is quoted
// or a comment.
func numbered(query string) string {
	var b strings.Builder
	n, from := 0, 0
	for i := 0; i < len(query); i++ {
		switch query[i] {
		case '?':
			n++
			b.WriteString(query[from:i])
			b.WriteString("$" + strconv.Itoa(n))
			from = i + 1
		case '\'', '"': // a doubled quote inside ends one and begins another
			i += skipTo(query[i+1:], query[i:i+1])
		case '-':
			if strings.HasPrefix(query[i:], "--") {
				i += skipTo(query[i+1:], "\n")
			}
		case '/':
			if strings.HasPrefix(query[i:], "/*") {
				i += 1 + skipTo(query[i+2:], "*/") + 1
			}
		}
	}
	return b.String() + query[min(from, len(query)):]
}

// skipTo is how far to go to be at the end of what ends with end.
func skipTo(s, end string) int {
	if i := strings.Index(s, end); i >= 0 {
		return i + 1
	}
	return len(s)
}

// plainRead recognises a statement that reads without locking.
func plainRead(query string) bool {
	q := strings.ToUpper(strings.TrimSpace(query))
	if strings.Contains(q, "FOR UPDATE") {
		return false
	}
	if strings.HasPrefix(q, "WITH") { // a table expression before any statement
		for _, change := range []string{"UPDATE ", "DELETE ", "INSERT "} {
			if strings.Contains(q, change) {
				return false
			}
		}
		return true
	}
	return strings.HasPrefix(q, "SELECT") || strings.HasPrefix(q, "VALUES") || strings.HasPrefix(q, "TABLE")
}
