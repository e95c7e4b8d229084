package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// Rows of many callers are there after they were answered, also for a server
// that opens the file anew.
func TestFloor(t *testing.T) {
	file := filepath.Join(t.TempDir(), "floor.db")
	db, err := open(file)
	if err != nil {
		t.Fatal(err)
	}
	handler := routes(db)
	var wg sync.WaitGroup
	ids := make([]string, 300)
	for i := range ids {
		wg.Go(func() {
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, httptest.NewRequest("POST", "/m", strings.NewReader(fmt.Sprintf(`{"room":"r","body":"b","created_at":%d}`, i))))
			var created struct{ ID string }
			if err := json.Unmarshal(w.Body.Bytes(), &created); err != nil || w.Code != http.StatusCreated {
				t.Errorf("%d %s", w.Code, w.Body)
			}
			ids[i] = created.ID
		})
	}
	wg.Wait()

	// A row that fails leaves those of the same group alone.
	errs := make([]error, 2)
	if err := db.commit([]insertion{{row: &message{ID: ids[0]}}, {row: &message{ID: "new"}}}, errs); err != nil || errs[0] == nil || errs[1] != nil {
		t.Errorf("commit %v, rows %v", err, errs)
	}
	db.close()

	if db, err = open(file); err != nil {
		t.Fatal(err)
	}
	defer db.close()
	for i, id := range append(ids, "new") {
		m, err := db.get(id)
		if err != nil || m == nil || id != "new" && m.CreatedAt != int64(i) {
			t.Fatalf("row %q: %+v, %v", id, m, err)
		}
	}
	w := httptest.NewRecorder()
	routes(db).ServeHTTP(w, httptest.NewRequest("GET", "/m/none", nil))
	if w.Code != http.StatusNotFound {
		t.Errorf("a row that is not there: %d", w.Code)
	}
}
