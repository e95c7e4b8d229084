package pgtest_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pylon-go/pylon/internal/pgtest"
)

func ask(t *testing.T, url, sql string) (answer string) {
	t.Helper()
	c, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(context.Background())
	if err := c.QueryRow(t.Context(), sql).Scan(&answer); err != nil {
		t.Fatal(err)
	}
	return answer
}

func TestDatabasesAreFreshAndDurable(t *testing.T) {
	a, b := pgtest.New(t), pgtest.New(t)
	a.Exec(t, "CREATE TABLE only_here (x int)")
	if got := ask(t, b.URL, "SELECT coalesce(to_regclass('only_here')::text, 'none')"); got != "none" {
		t.Errorf("another test's table is there: %s", got)
	}
	for _, setting := range []string{"fsync", "synchronous_commit", "full_page_writes"} {
		if got := ask(t, a.URL, "SHOW "+setting); got != "on" {
			t.Errorf("%s is %s", setting, got)
		}
	}
	if got := ask(t, a.URL, "SELECT ('b' < 'A')::text"); got != "false" {
		t.Errorf("the default collation is bytewise: 'b' < 'A' is %s", got)
	}
}

func TestAKilledServerComesBackWithWhatWasCommitted(t *testing.T) {
	d := pgtest.NewServer(t)
	d.Exec(t, "CREATE TABLE kept AS SELECT 'there' AS x")
	for name, end := range map[string]func() error{"kill": d.Server.Kill, "stop": d.Server.Stop} {
		if err := end(); err != nil {
			t.Fatal(name, err)
		}
		if c, err := pgx.Connect(t.Context(), d.URL); err == nil {
			c.Close(t.Context())
			t.Fatalf("%s: the server still answers", name)
		}
		if err := d.Server.Start(); err != nil {
			t.Fatal(name, err)
		}
		if got := ask(t, d.URL, "SELECT x FROM kept"); got != "there" {
			t.Errorf("%s: got %s", name, got)
		}
	}
}
