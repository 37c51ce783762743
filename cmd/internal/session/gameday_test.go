package session

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/backout-dev/backout/rollback"
	"github.com/backout-dev/backout/rollback/gameday"
	"github.com/backout-dev/backout/rollback/policy"
	"github.com/backout-dev/backout/rollback/store"
)

// There is one game day at a time, and one conductor of it: the next goes on only where the one before is known to be gone.
func TestOneConductorAtATime(t *testing.T) {
	dir := t.TempDir()
	s := probing(t, dir, "prod", "http://127.0.0.1:1", io.Discard)
	defer s.Close()
	first, err := s.Conduct(t.Context(), "GAME-0001")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.TellGame(t.Context(), gameday.Event{Game: "GAME-0001", What: gameday.Announced, Scenario: &gameday.Scenario{}}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Conduct(t.Context(), "GAME-0002"); !errors.Is(err, rollback.ErrLocked) {
		t.Errorf("a second game day: %v", err)
	}
	held := func(pid int) {
		t.Helper()
		host, _, _ := strings.Cut(executor(), ":")
		err := s.DB.Update(t.Context(), func(tx *store.Tx) error {
			_, err := tx.Acquire("GAME-0001", fmt.Sprintf("%s:%d", host, pid), time.Now().Add(time.Minute), func(string) bool { return true })
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	held(1) // somebody else conducts it, and lives
	if err := first.Renew(t.Context()); err == nil {
		t.Error("a conductor that was taken over goes on")
	}
	if err := first.Close(t.Context(), true); err == nil {
		t.Error("a conductor that was taken over ends the game day of another")
	}
	if _, err := s.Conduct(t.Context(), "GAME-0001"); !errors.Is(err, rollback.ErrLocked) {
		t.Errorf("beside a conductor that lives: %v", err)
	}
	gone := exec.CommandContext(t.Context(), "git", "--version")
	if err := gone.Run(); err != nil {
		t.Fatal(err)
	}
	held(gone.ProcessState.Pid())
	again, err := s.Conduct(t.Context(), "GAME-0001")
	if err != nil {
		t.Fatalf("after a conductor that is gone: %v", err)
	}
	if err := again.Close(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	if c, err := s.Conduct(t.Context(), "GAME-0002"); err != nil || c.Close(t.Context(), true) != nil {
		t.Errorf("after the end: %v", err)
	}
}

// A console says that a game day is under way, and to whom it has to: stay out.
func TestTheConsoleSaysWhoStaysOut(t *testing.T) {
	s := &Session{}
	s.opts.Now = time.Now
	body, err := json.Marshal(gameday.Event{Game: "GAME-0001", What: gameday.Announced, Until: time.Now(), Scenario: &gameday.Scenario{Title: "pricing is down", StayOut: []string{"nadia"}}})
	if err != nil {
		t.Fatal(err)
	}
	if s.GameNotice() != "" {
		t.Errorf("before: %q", s.GameNotice())
	}
	s.games.book.Take(body, time.Now(), "ingo")
	for who, want := range map[string]string{"nadia": "nadia IS TO STAY OUT", "ana": "something is broken on purpose"} {
		s.opts.Principal = policy.Principal{ID: who, Kind: policy.Human}
		if got := s.GameNotice(); !strings.Contains(got, want) || strings.Contains(got, "pricing") {
			t.Errorf("to %s: %q", who, got)
		}
	}
}
