package helm_test

import (
	"context"
	"encoding/json"
	"flag"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/helm"
	"github.com/backout-dev/backout/rollback"
)

const childEnv = "BACKOUT_TEST_HELM_CHILD"

// job is what a child process is asked to apply.
type job struct {
	Settings map[string]any
	Op       rollback.Operation
	Step     rollback.Step
}

// TestMain lets this binary be the process that applies and is killed, and several releases be at work at once.
func TestMain(m *testing.M) {
	if text := os.Getenv(childEnv); text != "" {
		os.Exit(child(text))
	}
	flag.Parse()
	if err := flag.Set("test.parallel", "5"); err != nil { // however few processors there are: they mostly wait
		panic(err)
	}
	os.Exit(m.Run())
}

func child(text string) int {
	var j job
	if err := json.Unmarshal([]byte(text), &j); err != nil {
		return 2
	}
	p, err := helm.Factory().New(providers.Environment{
		Name: "helm", Now: time.Now, Log: slog.New(slog.DiscardHandler), Archive: providers.NoArchive{},
	}, decoder(j.Settings))
	if err != nil {
		return 2
	}
	if _, err = p.(rollback.Reverser).Apply(context.Background(), j.Op, j.Step); err != nil {
		return 1
	}
	return 0
}
