package main

import (
	"os"
	"testing"

	"github.com/backout-dev/backout/config"
	"github.com/backout-dev/backout/tui"
)

// A printed command finds the same settings and the same record from any directory.
func TestCommandLineCarriesWhereSettingsAre(t *testing.T) {
	a := newApp(os.Stdin, nil, nil, nil)
	if got, want := a.commandLine(tui.CommandAttach, "RUN-0001"), "backout runs attach RUN-0001"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	a.flags.config, a.flags.context = "/tmp/my shop/it's.yaml", "prod-eu"
	if got, want := a.commandLine(tui.CommandAttach, "RUN-0001"), `backout runs attach RUN-0001 --config '/tmp/my shop/it'\''s.yaml' --context prod-eu`; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestNoColorByTheBook(t *testing.T) {
	plain := func(env ...string) bool {
		return newApp(os.Stdin, nil, nil, env).noColor(&settings{Config: &config.Config{}})
	}
	for value, want := range map[string]bool{"1": true, "yes": true, "false": true, "0": true, "": false} {
		if got := plain("NO_COLOR=" + value); got != want {
			t.Errorf("NO_COLOR=%q: %v, want %v", value, got, want)
		}
	}
	if plain() {
		t.Error("no colour although NO_COLOR is not there")
	}
}
