package auth

import (
	"unicode"
	"unicode/utf8"
)

// validName reports whether a name that people give (of a role, an API key, an
// organisation) is 1 to max printable characters, without space around it.
func validName(name string, max int) bool {
	if name == "" || utf8.RuneCountInString(name) > max || !utf8.ValidString(name) || name[0] == ' ' || name[len(name)-1] == ' ' {
		return false
	}
	for _, r := range name {
		if !unicode.IsPrint(r) {
			return false
		}
	}
	return true
}
