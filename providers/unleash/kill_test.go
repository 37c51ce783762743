package unleash_test

import (
	"context"
	"io"
	"log"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"testing"
	"time"

	"github.com/backout-dev/backout/rollback"
	"github.com/backout-dev/backout/rollback/rollbacktest"
)

// job is what the process that is killed has to do.
type job struct {
	URL  string
	Op   rollback.Operation
	Step rollback.Step
}

// TestMain lets this binary be the process that applies and is killed.
func TestMain(m *testing.M) {
	rollbacktest.Child(alone)
	os.Exit(m.Run())
}

func alone(j job) error {
	p, err := tryMake(settings(j.URL))
	if err != nil {
		return err
	}
	_, err = p.Apply(context.Background(), j.Op, j.Step)
	return err
}

// applyAndKill applies in a process of its own, which takes some 200 ms, and kills that at a random instant. Afterwards Unleash
// has ended what it was asked: it goes on with a request whose sender is gone, so one that stands between them waits for that.
func applyAndKill(ctx context.Context, target string, op rollback.Operation, step rollback.Step) error {
	to, err := url.Parse(target)
	if err != nil {
		return err
	}
	proxy := httputil.NewSingleHostReverseProxy(to)
	proxy.ErrorLog = log.New(io.Discard, "", 0)
	between := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		proxy.ServeHTTP(w, r.WithContext(context.WithoutCancel(r.Context())))
	}))
	defer between.Close() // it waits for what is under way
	ctx, cancel := context.WithTimeout(ctx, time.Duration(20+rand.IntN(300))*time.Millisecond)
	defer cancel()
	cmd, err := rollbacktest.Command(ctx, job{between.URL, op, step})
	if err != nil {
		return err
	}
	_ = cmd.Run() // killed, or through
	return nil
}
