// Package shop is the small shop that the demo runs: five services and a steady stream of customers, each a process of
// its own. What a service does is decided by the files of the release that its current link points to, and by nothing
// else, so that switching the link is all it takes to break it and to cure it.
package shop

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"
)

// The services of the shop. PriceDB is the backing store that pricing asks; it has no releases, as [Flags] has none.
const (
	Storefront = "storefront"
	Login      = "login"
	Pricing    = "pricing"
	Orders     = "orders"
	PriceDB    = "pricedb"
)

// Ready is the one line that a child writes to its standard output once it can be reached.
type Ready struct {
	Addr string `json:"addr"`
}

// options are a child's arguments.
type options struct {
	name, dir, addr string
	upstream        addresses
	rate            int
	switches, lease string
	flagFile, sdk   string
	database        string
}

// addresses is a repeatable flag of the form service=host:port.
type addresses map[string]string

func (a addresses) String() string { return fmt.Sprint(map[string]string(a)) }

func (a addresses) Set(s string) error {
	name, addr, ok := strings.Cut(s, "=")
	if !ok || name == "" || addr == "" {
		return fmt.Errorf("%q is not service=host:port", s)
	}
	a[name] = addr
	return nil
}

// Run is a child process: args[0] is "service", "load" or "keeper". It returns when ctx is done or when stdin ends, which it does
// when the parent ends in whatever way; nothing else is ever read from stdin.
func Run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) error {
	if len(args) == 0 {
		return errors.New("a child of the demo needs to be told what it is: service, load or keeper")
	}
	o := options{upstream: addresses{}}
	fs := flag.NewFlagSet(args[0], flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.StringVar(&o.name, "name", "", "which service to be")
	fs.StringVar(&o.dir, "dir", "", "the directory with releases and current")
	fs.StringVar(&o.addr, "addr", "127.0.0.1:0", "where to listen")
	fs.Var(o.upstream, "upstream", "service=host:port, repeatable")
	fs.IntVar(&o.rate, "rate", 20, "requests a second")
	fs.StringVar(&o.switches, "switches", "", "the directory with the releases of the switches; none: nothing is switched")
	fs.StringVar(&o.lease, "lease", "", "the file that has to be fresh for the price store to answer; none: it always does")
	fs.StringVar(&o.flagFile, "flag-file", "", "what the flag service knows")
	fs.StringVar(&o.sdk, "sdk", "", "the file with the token by which a service asks for flags")
	fs.StringVar(&o.database, "database", "", "the database of orders; none: its files say all")
	if err := fs.Parse(args[1:]); err != nil {
		return fmt.Errorf("arguments of a child of the demo: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		_, _ = io.Copy(io.Discard, stdin)
		cancel()
	}()
	log := slog.New(slog.NewTextHandler(stderr, nil))
	switch {
	case args[0] == "load":
		return runLoad(ctx, o, stdout)
	case args[0] == "keeper":
		return runKeeper(ctx, o, stdout)
	case args[0] != "service":
		return fmt.Errorf("no child of the demo is called %q: there are service, load and keeper", args[0])
	case o.name == PriceDB:
		return runPriceDB(ctx, o, stdout)
	case o.name == Flags:
		return runFlags(ctx, o, log, stdout)
	}
	h, err := handlerOf(o, log)
	if err != nil {
		return err
	}
	return serveHTTP(ctx, o.addr, h, stdout)
}

func handlerOf(o options, log *slog.Logger) (http.Handler, error) {
	switch o.name {
	case Storefront:
		return newStorefront(o, log), nil
	case Login:
		return newLogin(o, log), nil
	case Pricing:
		return newPricing(o, log), nil
	case Orders:
		return newOrders(o, log)
	default:
		return nil, fmt.Errorf("the shop has no service %q", o.name)
	}
}

// listen opens addr and reports the port that it got.
func listen(ctx context.Context, addr string, stdout io.Writer) (net.Listener, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("open the shop's port: %w", err)
	}
	if err := json.NewEncoder(stdout).Encode(Ready{Addr: l.Addr().String()}); err != nil {
		_ = l.Close()
		return nil, fmt.Errorf("report the shop's port: %w", err)
	}
	return l, nil
}

func serveHTTP(ctx context.Context, addr string, h http.Handler, stdout io.Writer) error {
	l, err := listen(ctx, addr, stdout)
	if err != nil {
		return err
	}
	srv := &http.Server{Handler: h, ReadHeaderTimeout: 2 * time.Second, ReadTimeout: 5 * time.Second, WriteTimeout: 5 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10}
	stop := context.AfterFunc(ctx, func() { _ = srv.Close() })
	defer stop()
	if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve: %w", err)
	}
	return nil
}
