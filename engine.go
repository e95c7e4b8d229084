package pylon

import (
	"context"

	"github.com/pylon-go/pylon/store"
	"github.com/pylon-go/pylon/store/postgres"
	"github.com/pylon-go/pylon/store/sqlite"
)

// openEngine opens the app's database. serve takes the right to serve it, where
// only one process may.
func openEngine(ctx context.Context, o Options, app string, serve bool) (store.Engine, error) {
	if o.DatabaseURL != "" {
		e, err := postgres.Open(ctx, o.DatabaseURL, postgres.Options{Application: app})
		if err != nil {
			return nil, err // not e: an interface that holds a nil pointer is not nil
		}
		return e, nil
	}
	e, err := sqlite.Open(o.DBPath, sqlite.Options{Exclusive: serve})
	if err != nil {
		return nil, err
	}
	return e, nil
}
