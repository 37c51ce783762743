package main

import (
	"fmt"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/backout-dev/backout/test/servers"
)

// The scripts below testdata/shared run the real program on a real PostgreSQL server: $STORE is the URL of a database of the script's own,
// $OTHER that of an empty one, and "server stop" and "server start" end it and start it again.
func TestScriptsOnASharedStore(t *testing.T) {
	g := servers.StartPostgres(t)
	var n atomic.Int64
	testscript.Run(t, testscript.Params{
		Dir: filepath.Join("testdata", "shared"),
		Setup: func(e *testscript.Env) error {
			mine := n.Add(1)
			e.Setenv("STORE", g.Create(t, fmt.Sprint("store", mine)))
			e.Setenv("OTHER", g.Create(t, fmt.Sprint("other", mine)))
			return atHome(e)
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"exits": exits,
			"server": func(ts *testscript.TestScript, _ bool, args []string) {
				switch fmt.Sprint(args) {
				case "[stop]":
					g.Stop()
				case "[start]":
					g.Start(t)
				default:
					ts.Fatalf("usage: server stop | start")
				}
			},
		},
	})
}
