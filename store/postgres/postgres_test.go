package postgres_test

import (
	"testing"

	"github.com/pylon-go/pylon/internal/pgtest"
	"github.com/pylon-go/pylon/store"
	"github.com/pylon-go/pylon/store/postgres"
	"github.com/pylon-go/pylon/store/storetest"
)

func open(t testing.TB, url string) *postgres.Engine {
	t.Helper()
	e, err := postgres.Open(t.Context(), url, postgres.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

func TestConformance(t *testing.T) {
	urls := map[store.Engine]string{}
	storetest.Run(t, func(t *testing.T) store.Engine {
		d := pgtest.New(t)
		e := open(t, d.URL)
		urls[e] = d.URL
		return e
	}, storetest.WithReopen(func(t *testing.T, e store.Engine) store.Engine {
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
		return open(t, urls[e])
	}))
}
