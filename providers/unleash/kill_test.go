package unleash_test

import (
	"context"
	"encoding/json"
	"io"
	"log"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/backout-dev/backout/rollback"
)

const childEnv = "BACKOUT_TEST_UNLEASH_APPLY"

// job is what the process that is killed has to do.
type job struct {
	URL  string
	Op   rollback.Operation
	Step rollback.Step
}

// TestMain lets this binary be the process that applies and is killed.
func TestMain(m *testing.M) {
	if text := os.Getenv(childEnv); text != "" {
		os.Exit(child(text))
	}
	os.Exit(m.Run())
}

func child(text string) int {
	var j job
	if err := json.Unmarshal([]byte(text), &j); err != nil {
		return 2
	}
	p, err := tryMake(settings(j.URL))
	if err != nil {
		return 2
	}
	if _, err := p.Apply(context.Background(), j.Op, j.Step); err != nil {
		return 2
	}
	return 0
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
	text, err := json.Marshal(job{between.URL, op, step})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Duration(20+rand.IntN(300))*time.Millisecond)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+string(text))
	_ = cmd.Run() // killed, or through
	return nil
}
