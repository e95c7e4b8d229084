package store

import (
	"errors"
	"fmt"
)

// Kind says what sort of failure an [Error] is; the HTTP layer turns it into a status.
type Kind uint8

const (
	Invalid     Kind = iota + 1 // the caller's input is wrong
	Unauthentic                 // the caller must sign in
	Denied                      // the caller may not
	NotFound                    // no such row, entity or route
	Conflict                    // the value or state clashes with what is stored
	TooLarge                    // over a size limit
	Limited                     // too many requests
	Unavailable                 // the database or a limit refuses work for now
)

// Error is a failure that the caller may see: a stable code, what was wrong and,
// where there is one, what to do about it. It never carries SQL, paths or secrets;
// those go into the wrapped cause, which is logged and not shown.
type Error struct {
	Kind    Kind
	Code    string
	Message string
	Hint    string
	// Field is the input's key that was wrong, when it was one key.
	Field string
	Cause error
}

func (e *Error) Error() string {
	if e.Cause != nil {
		return e.Code + ": " + e.Message + ": " + e.Cause.Error()
	}
	return e.Code + ": " + e.Message
}

func (e *Error) Unwrap() error { return e.Cause }

// Errorf makes an [Error] without hint.
func Errorf(kind Kind, code, format string, args ...any) *Error {
	return &Error{Kind: kind, Code: code, Message: fmt.Sprintf(format, args...)}
}

// WithHint adds what to do about it.
func (e *Error) WithHint(format string, args ...any) *Error {
	e.Hint = fmt.Sprintf(format, args...)
	return e
}

// WithField names the input's key that was wrong.
func (e *Error) WithField(name string) *Error {
	e.Field = name
	return e
}

// IsKind reports whether err is, or wraps, an [Error] of that kind.
func IsKind(err error, kind Kind) bool {
	var e *Error
	return errors.As(err, &e) && e.Kind == kind
}

// HasCode reports whether err is, or wraps, an [Error] with that code.
func HasCode(err error, code string) bool {
	var e *Error
	return errors.As(err, &e) && e.Code == code
}
