package shop

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// The price store answers while its lease is fresh; the keeper renews it, unless somebody suspended it.
const (
	LeaseFor    = 12 * time.Second
	keeperEvery = time.Second
)

// Suspended is the file, beside the lease, that holds the keeper back for as long as it is there.
const Suspended = "keeper.suspended"

// fresh reports whether a lease was renewed lately.
func fresh(lease string, now time.Time) bool {
	at, err := os.Stat(lease)
	return err == nil && now.Sub(at.ModTime()) < LeaseFor
}

// runKeeper renews the lease until ctx is done. It is a reconciler: what it keeps decays without it, and nothing says so.
func runKeeper(ctx context.Context, o options, stdout io.Writer) error {
	go func() {
		tick := time.NewTicker(keeperEvery)
		defer tick.Stop()
		for {
			if _, err := os.Stat(filepath.Join(filepath.Dir(o.lease), Suspended)); errors.Is(err, os.ErrNotExist) {
				_ = Renew(o.lease)
			}
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
	}()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /", func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprintln(w, "keeper") })
	return serveHTTP(ctx, o.addr, mux, stdout)
}

// Renew makes a lease fresh.
func Renew(lease string) error {
	return os.WriteFile(lease, []byte(time.Now().UTC().Format(time.RFC3339)+"\n"), 0o644)
}

// Keeper suspends a keeper or has it go on: DIR suspend WHY, or DIR resume, with the directory of its lease. What is so already
// stays so.
func Keeper(args []string) error {
	switch {
	case len(args) == 3 && args[1] == "suspend":
		return os.WriteFile(filepath.Join(args[0], Suspended), []byte(args[2]+"\n"), 0o644)
	case len(args) == 2 && args[1] == "resume":
		err := os.Remove(filepath.Join(args[0], Suspended))
		if errors.Is(err, os.ErrNotExist) {
			return nil
		}
		return err
	default:
		return errors.New("a keeper is told DIR suspend WHY, or DIR resume")
	}
}
