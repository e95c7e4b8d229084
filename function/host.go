// Package function runs an app's TypeScript functions.
package function

import (
	"log/slog"

	"github.com/jonboulle/clockwork"

	"github.com/pylon-go/pylon/plugin"
)

// Host runs the functions of an app.
type Host struct {
	outbound *plugin.Outbound
	clock    clockwork.Clock
	log      *slog.Logger
	getenv   func(string) string
	fetcher  *fetcher
}
