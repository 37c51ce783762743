//go:build unix

package kubernetes_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/backout-dev/backout/test/servers"
)

// wire lies between one console and the API server, and may hold a question back, or lose it or its answer.
type wire struct {
	kubeconfig string // by which the console reaches the cluster through it
	to         http.Handler
	// asked is called before a question goes on and answered before its answer does; what they say no to is lost. Both may
	// take their time, and a question goes on then also when nobody waits for its answer any more.
	asked, answered atomic.Pointer[func(*http.Request) bool]
	under           sync.WaitGroup
	refused         atomic.Int32 // questions that nobody was there to answer
}

func newWire(t *testing.T, c *servers.Cluster) *wire {
	t.Helper()
	w := &wire{}
	w.kubeconfig = c.Between(t, func(on *httputil.ReverseProxy) http.Handler {
		on.ErrorHandler = func(http.ResponseWriter, *http.Request, error) { // what the server does not answer, nobody does
			w.refused.Add(1)
			panic(http.ErrAbortHandler)
		}
		w.to = on
		return w
	})
	t.Cleanup(w.under.Wait) // before its way is closed
	return w
}

func (w *wire) ServeHTTP(out http.ResponseWriter, q *http.Request) {
	asked, answered := w.asked.Load(), w.answered.Load()
	if asked == nil && answered == nil {
		w.to.ServeHTTP(out, q)
		return
	}
	w.under.Add(1)
	defer w.under.Done()
	body, err := io.ReadAll(q.Body)
	if err != nil {
		return // whoever asked gave up
	}
	if asked != nil && !(*asked)(q) {
		panic(http.ErrAbortHandler)
	}
	on := q.WithContext(context.WithoutCancel(q.Context()))
	on.Body, on.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	if answered == nil {
		w.to.ServeHTTP(out, on)
		return
	}
	got := httptest.NewRecorder()
	w.to.ServeHTTP(got, on)
	if !(*answered)(q) {
		panic(http.ErrAbortHandler)
	}
	for k, v := range got.Header() {
		out.Header()[k] = v
	}
	out.WriteHeader(got.Code)
	_, _ = out.Write(got.Body.Bytes())
}

// writes reports that a question is no look: a patch or a deletion that is to be kept.
func writes(q *http.Request) bool {
	return (q.Method == http.MethodPatch || q.Method == http.MethodDelete) && q.URL.Query().Get("dryRun") == ""
}
