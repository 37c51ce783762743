// Command backout-helm takes one Helm release back to one revision, and does nothing else. backout starts it for an approved
// operation and ends with it: it reads one JSON document from standard input, writes one to standard output, and dies when
// standard input ends, because then whoever asked is gone.
//
// It is a program of its own so that the console, which runs all day, holds no code that could write to a cluster through
// Helm, and none of the weight of Helm's library.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"
	"time"
)

// protocol is the version of the two documents. It rises when an old reader would misunderstand a new writer.
const protocol = 2

// question is what standard input holds. Every field but kubeconfig, context and force_conflicts is required.
type question struct {
	Protocol   int    `json:"protocol"`
	Kubeconfig string `json:"kubeconfig"` // empty: as kubectl finds it
	Context    string `json:"context"`    // empty: the current one
	Namespace  string `json:"namespace"`
	Release    string `json:"release"`
	Driver     string `json:"driver"` // secret or configmap: where the release's records are

	Revision int    `json:"revision"` // to go back to
	Target   string `json:"target"`   // hex SHA-256 of that record's payload, as it is stored
	Expect   int    `json:"expect"`   // the newest revision that the plan saw
	Current  string `json:"current"`  // hex SHA-256 of that record's payload

	// Begun is the revision that the operation began from; another one than Expect where an attempt of it was cut off.
	Begun int `json:"begun"`
	// Deletes is all that may be deleted, each as group/resource/namespace/name; hooks are among it.
	Deletes []string `json:"deletes"`
	// Manager is the name under which the release's objects are written, where Helm's own is not: Flux has another one.
	Manager string `json:"manager,omitempty"`

	Stamp          string `json:"stamp"` // goes first into the description of the new record
	TimeoutSeconds int    `json:"timeout_seconds"`
}

// answer is what standard output holds.
type answer struct {
	Protocol int    `json:"protocol"`
	Outcome  string `json:"outcome"`
	Revision int    `json:"revision,omitempty"` // of the record that was made
	Detail   string `json:"detail,omitempty"`
	Helm     string `json:"helm,omitempty"`
}

// Outcomes. Failed and preconditionFailed promise that nothing was written.
const (
	applied            = "applied"
	preconditionFailed = "precondition failed"
	failed             = "failed"
	unknown            = "unknown"
)

// Exit codes: an answer was written, none could be, whoever asked is gone.
const (
	exitAnswered = 0
	exitNoAnswer = 1
	exitOrphaned = 3
)

func main() {
	if len(os.Args) == 2 && os.Args[1] == "--version" {
		os.Exit(say(answer{Outcome: "version", Detail: "rolls one Helm release back, for backout", Helm: helmVersion()}))
	}
	if len(os.Args) > 1 {
		fmt.Fprintln(os.Stderr, "backout-helm is started by backout, with one JSON document on standard input")
		os.Exit(exitNoAnswer)
	}
	in := json.NewDecoder(io.LimitReader(os.Stdin, 1<<20))
	in.DisallowUnknownFields()
	var q question
	if err := in.Decode(&q); err != nil {
		os.Exit(say(answer{Outcome: failed, Detail: "read what to do: " + err.Error()}))
	}
	if err := q.check(); err != nil {
		os.Exit(say(answer{Outcome: failed, Detail: err.Error()}))
	}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(exitOrphaned)
	}()
	done := make(chan answer, 1)
	go func() { done <- rollBack(q) }()
	late := time.NewTimer(q.timeout() + 10*time.Second)
	select {
	case a := <-done:
		os.Exit(say(a))
	case <-late.C:
		os.Exit(say(answer{Outcome: unknown, Detail: fmt.Sprintf("it did not end within %s", q.timeout())}))
	}
}

func say(a answer) int {
	a.Protocol = protocol
	if err := json.NewEncoder(os.Stdout).Encode(a); err != nil {
		return exitNoAnswer
	}
	return exitAnswered
}

func (q question) timeout() time.Duration { return time.Duration(q.TimeoutSeconds) * time.Second }

func (q question) check() error {
	switch {
	case q.Protocol != protocol:
		return fmt.Errorf("this backout-helm speaks protocol %d, and was asked in %d: install the one that came with backout", protocol, q.Protocol)
	case q.Namespace == "" || q.Release == "" || q.Revision < 1 || q.Expect < 1 || q.Begun < 1 || q.TimeoutSeconds < 1:
		return errors.New("namespace, release, revision, expect, begun and timeout_seconds are needed")
	case len(q.Target) != 64 || len(q.Current) != 64:
		return errors.New("target and current are SHA-256 sums in hex")
	case !strings.HasPrefix(q.Stamp, "backout op=") || len(q.Stamp) > 200:
		return errors.New("stamp begins with \"backout op=\" and has at most 200 bytes")
	case strings.ContainsFunc(q.Manager, func(r rune) bool { return r <= ' ' || r > '~' }) || len(q.Manager) > 128:
		return errors.New("manager has at most 128 printable bytes")
	case q.Driver != "secret" && q.Driver != "configmap":
		return fmt.Errorf("driver %q: it is secret or configmap", q.Driver)
	}
	return nil
}

// helmVersion is that of the library in this build.
func helmVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, m := range info.Deps {
		if m.Path == "helm.sh/helm/v4" {
			return m.Version
		}
	}
	return ""
}
