package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os/exec"
	"time"
)

// openWait is for how long an opener is watched. One that goes on for longer has become the browser.
const openWait = 2 * time.Second

// opener has the desktop show a web page. It is nil where a page would open on a machine that nobody sits at, or not at
// all: over SSH, and without a display or an opener.
func (a *app) opener(system string) func(ctx context.Context, link string) error {
	for _, name := range []string{"SSH_CONNECTION", "SSH_CLIENT", "SSH_TTY"} {
		if a.getenv(name) != "" {
			return nil
		}
	}
	var argv []string
	switch system {
	case "darwin":
		argv = []string{"open"}
	case "windows":
		argv = []string{"rundll32", "url.dll,FileProtocolHandler"}
	default:
		if a.getenv("DISPLAY") == "" && a.getenv("WAYLAND_DISPLAY") == "" {
			return nil
		}
		argv = []string{"xdg-open"}
	}
	path, err := exec.LookPath(argv[0])
	if err != nil {
		return nil
	}
	argv[0] = path
	return func(ctx context.Context, link string) error { return openLink(ctx, argv, link) }
}

// openLink starts the opener apart from this terminal, with nothing to read and nowhere to write, and reports one that
// gives up soon. Only a web address is handed on: what a source calls a link may name a program or a file.
func openLink(ctx context.Context, argv []string, link string) error {
	u, err := url.Parse(link)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return errors.New("it is no web address")
	}
	args := append(argv[1:len(argv):len(argv)], u.String())
	cmd := exec.CommandContext(context.WithoutCancel(ctx), argv[0], args...) // it lasts as long as the browser does
	detach(cmd)
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start the opener: %w", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	wait := time.NewTimer(openWait)
	defer wait.Stop()
	select {
	case err := <-ended:
		if err != nil {
			return fmt.Errorf("%s: %w", argv[0], err)
		}
		return nil
	case <-wait.C:
		return nil
	case <-ctx.Done():
		return nil
	}
}
