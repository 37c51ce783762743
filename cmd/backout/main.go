// Command backout is a terminal console for the engineer who is on call: it shows what changed, which change is the
// likely culprit, and takes that change back. This package wires the rooms together: one file a command, signals,
// streams and exit codes.
package main

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"k8s.io/klog/v2"
)

func main() {
	os.Exit(start(boundary()))
}

// start is main with its deferred calls run before the process exits. Who acts is looked for among the ancestors below a boundary.
func start(boundary int) int {
	// A terminal that goes away (SIGHUP) must not end a command half-way: it ends like an interrupt, and a run goes on in
	// its own process.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	klog.SetSlogLogger(slog.New(slog.DiscardHandler)) // client-go would write on the screen; what matters comes as an error too
	app := newApp(os.Stdin, os.Stdout, os.Stderr, os.Environ())
	app.boundary = boundary
	return app.run(ctx, os.Args[1:])
}
