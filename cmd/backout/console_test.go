package main

import (
	"os"
	"testing"

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
