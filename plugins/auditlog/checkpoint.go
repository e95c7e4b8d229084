package auditlog

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// checkpoint is a tree head: C2SP tlog-checkpoint without extension lines.
type checkpoint struct {
	Origin string
	Size   int64
	Root   tlog.Hash
}

func (c checkpoint) text() string {
	return c.Origin + "\n" + strconv.FormatInt(c.Size, 10) + "\n" + base64.StdEncoding.EncodeToString(c.Root[:]) + "\n"
}

// sign makes the signed note. Without a signer it is the text alone.
func (c checkpoint) sign(signers ...note.Signer) (string, error) {
	if len(signers) == 0 {
		return c.text(), nil
	}
	b, err := note.Sign(&note.Note{Text: c.text()}, signers...)
	return string(b), err
}

// maxNote bounds a note that comes from outside.
const maxNote = 64 << 10

// parseCheckpoint reads the text of a note.
func parseCheckpoint(text string) (checkpoint, error) {
	lines := strings.Split(text, "\n")
	if len(lines) < 4 || lines[len(lines)-1] != "" {
		return checkpoint{}, errors.New("a checkpoint has three lines")
	}
	c := checkpoint{Origin: lines[0]}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || size < 0 || strconv.FormatInt(size, 10) != lines[1] {
		return checkpoint{}, errors.New("the second line is not a size")
	}
	root, err := base64.StdEncoding.Strict().DecodeString(lines[2])
	if err != nil || len(root) != tlog.HashSize {
		return checkpoint{}, errors.New("the third line is not a root hash")
	}
	if c.Origin == "" {
		return checkpoint{}, errors.New("the first line is empty")
	}
	c.Size = size
	copy(c.Root[:], root)
	return c, nil
}

var errUnsigned = errors.New("not signed")

// openCheckpoint reads a note and verifies it with one of the keys. A note without
// any signature is read, with errUnsigned.
func openCheckpoint(msg string, verifiers note.Verifiers) (checkpoint, *note.Note, error) {
	if len(msg) > maxNote {
		return checkpoint{}, nil, errors.New("the note is too long")
	}
	if !strings.Contains(msg, "\n\n") {
		c, err := parseCheckpoint(msg)
		if err == nil {
			err = errUnsigned
		}
		return c, nil, err
	}
	n, err := note.Open([]byte(msg), verifiers)
	if err != nil {
		// What it claims to be is told too: a bad signature is evidence of something.
		text, _, _ := strings.Cut(msg, "\n\n")
		c, _ := parseCheckpoint(text + "\n") //nolint:errcheck // zero when it is nothing
		return c, nil, fmt.Errorf("open the note: %w", err)
	}
	c, err := parseCheckpoint(n.Text)
	return c, n, err
}
