package helm_test

import (
	"context"
	"flag"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/helm"
	"github.com/backout-dev/backout/rollback"
	"github.com/backout-dev/backout/rollback/rollbacktest"
)

// job is what a child process is asked to apply.
type job struct {
	Settings map[string]any
	Op       rollback.Operation
	Step     rollback.Step
}

// TestMain lets this binary be the process that applies and is killed, and several releases be at work at once.
func TestMain(m *testing.M) {
	rollbacktest.Child(alone)
	flag.Parse()
	if err := flag.Set("test.parallel", "5"); err != nil { // however few processors there are: they mostly wait
		panic(err)
	}
	os.Exit(m.Run())
}

func alone(j job) error {
	p, err := helm.Factory().New(providers.Environment{
		Name: "helm", Now: time.Now, Log: slog.New(slog.DiscardHandler), Archive: providers.NoArchive{},
	}, decoder(j.Settings))
	if err != nil {
		return err
	}
	_, err = p.(rollback.Reverser).Apply(context.Background(), j.Op, j.Step)
	return err
}
