package session

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// An alert that a probe opens is told of to the process of a run, which did not see it open, until it is over.
func TestOpened(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) }))
	defer srv.Close()
	dir := t.TempDir()
	console, run := probing(t, dir, "prod", srv.URL, io.Discard), probing(t, dir, "prod", srv.URL, io.Discard)
	defer run.Close()
	began := time.Now().Add(-time.Second)
	console.Start(t.Context())
	defer console.Close()
	end := time.Now().Add(30 * time.Second)
	for {
		got, err := run.Opened(t.Context(), []string{"pricing"}, began)
		if err != nil {
			t.Fatal(err)
		}
		if len(got) == 1 && got[0].Provider == "probe" && got[0].Service == "pricing" && !got[0].StartsAt.Before(began) {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("it is never told of: %+v", got)
		}
	}
	if got, err := run.Opened(t.Context(), []string{"another"}, began); err != nil || len(got) != 0 {
		t.Errorf("of another service: %+v %v", got, err)
	}
	if got, err := run.Opened(t.Context(), []string{"pricing"}, time.Now().Add(time.Hour)); err != nil || len(got) != 0 {
		t.Errorf("since later: %+v %v", got, err)
	}
}
