package auth

import (
	"net/mail"
	"strings"

	"github.com/pylon-go/pylon/store"
)

const maxEmail = 254 // RFC 5321

// normalizeEmail checks an address and gives it with its domain in lower case.
func normalizeEmail(address string) (string, error) {
	invalid := store.Errorf(store.Invalid, "INVALID_EMAIL", "this is not an e-mail address").WithField("email")
	address = strings.TrimSpace(address)
	parsed, err := mail.ParseAddress(address)
	// ParseAddress takes "Anna <anna@example.org>" too.
	if err != nil || parsed.Address != address || len(address) > maxEmail || strings.ContainsAny(address, " \t\r\n\x00") {
		return "", invalid
	}
	local, domain := address[:strings.LastIndexByte(address, '@')], address[strings.LastIndexByte(address, '@')+1:]
	if local == "" || domain == "" {
		return "", invalid
	}
	return local + "@" + strings.ToLower(domain), nil
}

// login is what an address is found by. Servers may tell Anna@ from anna@, but
// none does, and people do not remember how they wrote it.
func login(email string) string { return strings.ToLower(strings.TrimSpace(email)) }
