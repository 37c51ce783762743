package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/backout-dev/backout/cmd/internal/demo"
	"github.com/backout-dev/backout/rollback/gameday"
)

// field is a shop in which a game day is played by real processes: its conductor, and whoever is on call.
type field struct {
	t       *testing.T
	w       *demo.World
	program string
}

func newField(t *testing.T, name string) *field {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("SKIPPED: the shop switches symbolic links")
	}
	if _, err := exec.LookPath("git"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("git is not on PATH: CI must have it")
		}
		t.Skip("SKIPPED: git is not on PATH")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	f := &field{t: t, program: filepath.Join(t.TempDir(), "backout")} // by that name the test binary is the program
	// No symbolic link: a run's process is started from what this one really is. Nor a file that this process writes: what it
	// starts meanwhile would hold that open, and a program that is open for writing cannot be started.
	if err := os.Link(self, f.program); err != nil {
		if out, err := exec.CommandContext(t.Context(), "cp", self, f.program).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	if f.w, err = demo.New(t.Context(), demo.Options{Dir: filepath.Join(t.TempDir(), "shop"), GameDay: name, Self: f.program}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.w.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := f.w.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return f
}

// command is one call of the program by somebody.
func (f *field) command(ctx context.Context, who string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, f.program, append(args, "--config", f.w.ConfigPath())...)
	cmd.WaitDelay = time.Second
	for _, name := range []string{"PATH", "HOME", "TMPDIR", "LANG", "GOCOVERDIR"} { // and nothing that an AI agent or CI left
		if v, ok := os.LookupEnv(name); ok {
			cmd.Env = append(cmd.Env, name+"="+v)
		}
	}
	cmd.Env = append(cmd.Env, "BACKOUT_IDENTITY_NAME="+who, "BACKOUT_IDENTITY_KIND=human", "TESTBOUNDARY="+strconv.Itoa(os.Getpid()))
	return cmd
}

// call runs the program to its end and gives exit code and output.
func (f *field) call(who string, args ...string) (code int, out, errOut string) {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(f.t.Context(), 90*time.Second)
	defer cancel()
	cmd := f.command(ctx, who, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		f.t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()
}

// wants runs the program and checks its exit code and what it says.
func (f *field) wants(code int, text, who string, args ...string) string {
	f.t.Helper()
	got, out, errOut := f.call(who, args...)
	if got != code || !strings.Contains(out+errOut, text) {
		f.t.Fatalf("%v: exit code %d, want %d with %q\n%s\n%s", args, got, code, text, out, errOut)
	}
	return out
}

// conductor starts the game day's conductor.
func (f *field) conductor(report string) (*exec.Cmd, *bytes.Buffer) {
	f.t.Helper()
	cmd := f.command(context.WithoutCancel(f.t.Context()), "ingo", "gameday", "run", f.w.GameDayPath(), "--yes", "--report", report, "--output", "json")
	var said bytes.Buffer
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { _ = cmd.Process.Kill() })
	return cmd, &said
}

// report is the report as the record tells it now.
func (f *field) report() (r gameday.Report, ok bool) {
	f.t.Helper()
	code, out, errOut := f.call("ana", "gameday", "report", "GAME-0001", "--output", "json")
	if code != codeOK {
		if !strings.Contains(errOut, "no game day") {
			f.t.Fatalf("report: exit code %d: %s", code, errOut)
		}
		return r, false
	}
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		f.t.Fatal(err)
	}
	return r, true
}

// until waits for something that the record tells.
func (f *field) until(what string, holds func(r *gameday.Report) bool) gameday.Report {
	f.t.Helper()
	for end := time.Now().Add(time.Minute); ; {
		if r, ok := f.report(); ok && holds(&r) {
			return r
		}
		if time.Now().After(end) {
			f.t.Fatalf("it never came to this: %s", what)
		}
	}
}

func found(r *gameday.Report) string {
	var kinds []string
	for _, k := range r.Findings {
		kinds = append(kinds, k.Kind)
	}
	return strings.Join(kinds, ", ")
}

// The whole way: a deployment breaks three services, somebody who was to stay out takes it back, and the report says so.
func TestAGameDayIsCuredByPeople(t *testing.T) {
	t.Parallel()
	f, dir := newField(t, "checkout-outage"), t.TempDir()
	f.wants(codeOK, "could be run now", "ingo", "gameday", "check", f.w.GameDayPath())
	conductor, said := f.conductor(dir)
	f.until("somebody is paged", func(r *gameday.Report) bool { return !r.Game.PageAt.IsZero() })
	f.wants(codeOK, "a game day is announced", "ana", "timeline")
	f.wants(codeLocked, "is under way", "ingo", "gameday", "run", f.w.GameDayPath(), "--yes")
	f.wants(codeOK, "the fault of GAME-0001 stands", "ana", "measures", "list")

	_, out, _ := f.call("nadia.kowalczyk", "plan", "releases:shop/login", "--output", "json")
	var plan struct{ Hash string }
	if err := json.Unmarshal([]byte(out), &plan); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	f.wants(codeOK, "IS TO STAY OUT", "nadia.kowalczyk", "rollback", "releases:shop/login", "--plan-hash", plan.Hash, "--yes", "--reason", "they fail together")
	if err := conductor.Wait(); err != nil {
		t.Fatalf("the conductor: %v\n%s", err, said)
	}
	r, _ := f.report()
	if r.Game.Outcome != gameday.OutcomeCured || found(&r) != gameday.FindIntruder+", "+gameday.FindUntested || len(r.Runs) != 1 || len(r.Runs[0].Units) != 3 {
		t.Errorf("%s, found %s, %+v", r.Game.Outcome, found(&r), r.Runs)
	}
	for i := range r.Segments {
		if s := &r.Segments[i]; !s.Known && s.Key != "look" { // nobody opened a console
			t.Errorf("%s: %s", s.Name, s.Length())
		}
	}
	if s := r.Game.Suspect; s == nil || !s.Right {
		t.Errorf("ranked first: %+v", s)
	}
	for _, ext := range []string{"md", "json", "html"} {
		if at, err := os.Stat(filepath.Join(dir, "GAME-0001."+ext)); err != nil || at.Size() < 1000 {
			t.Errorf("the report as %s: %v", ext, err)
		}
	}
	f.wants(codeOK, "no measure stands", "ana", "measures", "list")
	f.wants(codeOK, "the chain holds", "ana", "ledger", "verify")
}

// A conductor that was killed leaves a record from which another one goes on, and the fault as a measure.
func TestAKilledConductorIsResumed(t *testing.T) {
	t.Parallel()
	f := newField(t, "suspended-reconciler")
	suspended := filepath.Join(f.w.Dir(), "shop", "keeper.suspended")
	conductor, _ := f.conductor(t.TempDir())
	f.until("the fault is made", func(r *gameday.Report) bool { return r.Game.Made() })
	if err := conductor.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = conductor.Wait()
	if _, err := os.Stat(suspended); err != nil {
		t.Fatalf("the fault does not stand: %v", err)
	}
	f.wants(codeOK, "GAME-0001.1", "ana", "measures", "list")
	f.wants(codeRefused, "gameday resume GAME-0001 --undo", "ana", "measures", "lift", "GAME-0001.1", "--yes")
	f.wants(codeLocked, "gameday resume GAME-0001", "ingo", "gameday", "check", f.w.GameDayPath())
	f.wants(codeFailed, "Called off: ana called it off", "ana", "gameday", "resume", "GAME-0001", "--undo")
	if _, err := os.Stat(suspended); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the fault stands: %v", err)
	}
	if r, _ := f.report(); r.Game.Outcome != gameday.OutcomeCalled || r.Game.Resumes != 1 || len(r.Game.Standing()) != 0 {
		t.Errorf("%+v", r.Game)
	}
	f.wants(codeRefused, "is over", "ana", "gameday", "resume", "GAME-0001")
}

// A conductor that is told to end undoes what it broke first.
func TestAConductorThatIsToldToEnd(t *testing.T) {
	t.Parallel()
	f := newField(t, "agent-rights")
	conductor, said := f.conductor(t.TempDir())
	f.until("it is broken", func(r *gameday.Report) bool { return !r.Game.BrokenAt.IsZero() })
	if err := conductor.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	err := conductor.Wait()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != codeFailed {
		t.Errorf("%v\n%s", err, said)
	}
	r, _ := f.report()
	if r.Game.Outcome != gameday.OutcomeCalled || len(r.Game.Standing()) != 0 || !r.Game.CuredAt.IsZero() {
		t.Errorf("%+v", r.Game)
	}
	if ok, why := f.w.Cured(t.Context()); !ok {
		t.Errorf("the shop is not well: %s", why)
	}
	// Nor does the next one begin while something is broken already.
	deploy := exec.CommandContext(t.Context(), f.program, demo.ChildCommand, "deploy", filepath.Join(f.w.Dir(), "shop"), "deploy", "pricing", "r301")
	if out, err := deploy.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for end := time.Now().Add(time.Minute); ; {
		code, _, why := f.call("ingo", "gameday", "check", f.w.GameDayPath())
		if code == codeRefused && strings.Contains(why, "fires: a game day begins only where all is well") {
			return
		}
		if code != codeRefused || time.Now().After(end) { // before the alert is told of, the step says that it is done already
			t.Fatalf("exit code %d: %s", code, why)
		}
	}
}

// What may not be broken is not: the configuration has to allow the unit, and all has to be well.
func TestAGameDayIsRefused(t *testing.T) {
	t.Parallel()
	f := newField(t, "reused-flag")
	config, err := os.ReadFile(f.w.ConfigPath())
	if err != nil {
		t.Fatal(err)
	}
	altered := func(old, now string) {
		t.Helper()
		if !bytes.Contains(config, []byte(old)) {
			t.Fatalf("the configuration has no %q", old)
		}
		if err := os.WriteFile(f.w.ConfigPath(), bytes.Replace(config, []byte(old), []byte(now), 1), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	refused := func(why string) {
		t.Helper()
		f.wants(codeRefused, why, "ingo", "gameday", "run", f.w.GameDayPath(), "--yes")
	}
	altered(`unit: "releases:shop/*"`, `unit: "releases:shop/orders"`)
	refused("does not allow game days on releases:shop/switches")
	altered("    environment: prod\n    programs", "    environment: staging\n    programs")
	refused("does not allow game days on releases:shop/orders in \"prod\"")
	altered("name: release,", "name: deploy,")
	refused(`names no program "release"`)
	altered("  - name: shop\n", "  - name: shops\n")
	refused(`no entry under verify with the name "shop"`)
	altered("/session?user=ada\", status: 200", "/session?user=ada\", status: 201")
	refused("does not hold before anything was broken")
	altered("{name: release, argv: [", "{name: release, argv: [env, \"PASSWORD=hunter2hunter2\", ")
	refused("an argument looks like a secret")
	altered("environment: prod\n", "environment: prod\nreadonly: true\n")
	refused("read-only")
	altered("\n", "\n")

	f.wants(codeUsage, "no terminal to ask at", "ingo", "gameday", "run", f.w.GameDayPath())
	wrong := filepath.Join(t.TempDir(), "wrong.yaml")
	if err := os.WriteFile(wrong, []byte("title: x\nhypothesys: y\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	f.wants(codeUsage, "wrong.yaml:2: hypothesys is no key here", "ingo", "gameday", "check", wrong)
	altered("hold: 3s", "hold: 40s")
	_, out, _ := f.call("ana", "plan", "releases:shop/storefront", "--output", "json")
	var plan struct{ Hash string }
	if err := json.Unmarshal([]byte(out), &plan); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	f.wants(codeOK, "RUN-0001", "ana", "rollback", "releases:shop/storefront", "--plan-hash", plan.Hash, "--yes", "--reason", "a run to be in the way", "--detach")
	refused("no game day begins while a run is under way")
	f.call("ana", "runs", "abort", "RUN-0001")
	f.call("ana", "runs", "attach", "RUN-0001") // until it is over
	if _, ok := f.report(); ok {
		t.Error("a game day was announced although it was refused")
	}
}

// A stop condition that does not hold any more undoes the fault, whatever the people are at.
func TestAStopCondition(t *testing.T) {
	t.Parallel()
	f := newField(t, "agent-rights")
	scenario, err := os.ReadFile(f.w.GameDayPath())
	if err != nil {
		t.Fatal(err)
	}
	breach := filepath.Join(t.TempDir(), "breach")
	guarded := strings.Replace(string(scenario), "  use: [login]", "  command: [{name: guard, argv: [test, '!', -e, "+breach+"]}]", 1)
	if err := os.WriteFile(f.w.GameDayPath(), []byte(guarded), 0o644); err != nil || guarded == string(scenario) {
		t.Fatal(err, guarded)
	}
	conductor, said := f.conductor(t.TempDir())
	f.until("it is broken", func(r *gameday.Report) bool { return !r.Game.BrokenAt.IsZero() })
	if err := os.WriteFile(breach, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	err = conductor.Wait()
	var exit *exec.ExitError
	r, _ := f.report()
	if !errors.As(err, &exit) || exit.ExitCode() != codeFailed || r.Game.Outcome != gameday.OutcomeStopped || !strings.Contains(r.Game.StopWhy, "guard: ") || len(r.Game.Standing()) != 0 {
		t.Errorf("%v %+v\n%s", err, r.Game, said)
	}
	if ok, why := f.w.Cured(t.Context()); !ok {
		t.Errorf("the shop is not well: %s", why)
	}
}
