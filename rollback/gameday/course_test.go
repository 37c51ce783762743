package gameday_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/backout-dev/backout/rollback/gameday"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func sec(n float64) time.Time { return noon.Add(time.Duration(n * float64(time.Second))) }

// stage is a record of one game day, and the conductor's course over it.
type stage struct {
	t      *testing.T
	book   gameday.Book
	course gameday.Course
	stuck  bool // nothing can be undone
}

// staged has announced a game day at noon and made its fault.
func staged(t *testing.T) *stage {
	t.Helper()
	s := &stage{t: t}
	scenario := parsed(t, whole)
	s.tell(noon, "conductor", gameday.Event{What: gameday.Announced, Scenario: &scenario, Until: sec(300), Targets: []gameday.Target{
		{Unit: "releases:shop/pricing", BeforeLabel: "r209", Before: "sha256:a", After: "sha256:b"}, {Unit: "releases:shop/pricing"},
	}})
	for n := 1; n <= 2; n++ {
		s.tell(sec(1), "conductor", gameday.Event{What: gameday.Injecting, Step: n})
		s.tell(sec(2), "conductor", gameday.Event{What: gameday.Injected, Step: n})
	}
	return s
}

func (s *stage) tell(at time.Time, by string, e gameday.Event) {
	s.t.Helper()
	e.Game = "GAME-0001"
	body, err := json.Marshal(e)
	if err != nil {
		s.t.Fatal(err)
	}
	s.book.Take(body, at, by)
}

func (s *stage) game() *gameday.Game { return s.book.Game("GAME-0001") }

// look has the conductor look, records what it tells, and gives the events in a line.
func (s *stage) look(at float64, sight gameday.Sight) string {
	s.t.Helper()
	sight.Now = sec(at)
	if sight.Guard == "" {
		sight.Guard = gameday.Good
	}
	move := s.course.Next(s.game(), sight)
	var words []string
	for _, e := range move.Tell {
		words = append(words, string(e.What))
		s.tell(sec(at), "conductor", e)
	}
	if move.Undo {
		words = append(words, "UNDO")
		for _, n := range s.game().Standing() {
			if !s.stuck {
				s.tell(sec(at), "conductor", gameday.Event{What: gameday.Undone, Step: n})
			}
		}
	}
	if move.End != "" {
		words = append(words, "END "+string(move.End))
	}
	return strings.Join(words, ", ")
}

func (s *stage) want(at float64, sight gameday.Sight, want string) {
	s.t.Helper()
	if got := s.look(at, sight); got != want {
		s.t.Errorf("at %gs: %q, want %q", at, got, want)
	}
}

var (
	well  = gameday.Sight{Steady: gameday.Good}
	sick  = gameday.Sight{Steady: gameday.Bad, Why: "page: 502"}
	blind = gameday.Sight{Steady: gameday.Unknown}
	paged = gameday.Sight{Steady: gameday.Bad, Page: gameday.Page{Name: "page 502", At: noon.Add(3 * time.Second)}}
)

func TestCuredByThePeople(t *testing.T) {
	s := staged(t)
	s.want(2, well, "")
	s.want(3, sick, "broken")
	s.want(5, paged, "page")
	s.want(6, paged, "")
	s.want(10, well, "")
	s.want(12, sick, "") // a break: the hold begins again
	s.want(13, well, "")
	s.want(15, blind, "") // unknown is not well
	busy := well
	busy.Live = 1
	s.want(16, busy, "")
	s.want(20, busy, "cured") // a run is still at work: it is let end
	s.want(21, well, "UNDO, END cured")
	g := s.game()
	if !g.CuredAt.Equal(sec(16)) || !g.BrokenAt.Equal(sec(3)) || !g.PageAt.Equal(sec(5)) || g.Page != "page 502" {
		t.Errorf("%+v", g)
	}
}

// What never broke was not cured, however well it is.
func TestAFaultThatNobodySees(t *testing.T) {
	s := staged(t)
	for at := 2.0; at < 300; at += 20 {
		s.want(at, well, "")
	}
	s.want(300, well, "stopping, UNDO")
	s.want(304, well, "UNDO, END stopped")
	if g := s.game(); g.StopWhy != "the deadline of 5m0s is over" || !g.CuredAt.IsZero() {
		t.Errorf("%+v", g)
	}
}

func TestStopConditions(t *testing.T) {
	breach := sick
	breach.Guard, breach.Breach = gameday.Bad, "login: 401"
	unseen := sick
	unseen.Guard = gameday.Unknown
	for _, c := range []struct {
		name string
		also gameday.Sight
	}{{"does not hold", breach}, {"cannot be seen", unseen}} {
		t.Run(c.name, func(t *testing.T) {
			s := staged(t)
			s.want(3, sick, "broken")
			s.want(4, c.also, "") // one look may be a slip
			s.want(5, sick, "")
			s.want(6, c.also, "")
			s.want(7, c.also, "stopping, UNDO")
			s.want(8, sick, "") // undone, and not seen to be well yet
			s.want(9, well, "")
			s.want(13, well, "UNDO, END stopped")
		})
	}
}

// A conductor that undid the fault does not wait for ever for what does not get well.
func TestStoppedAndNotWell(t *testing.T) {
	s := staged(t)
	s.want(3, sick, "broken")
	s.want(300, sick, "stopping, UNDO")
	s.want(330, sick, "")
	s.want(364, sick, "UNDO, END stopped")
}

// What cannot be undone is tried again at each look.
func TestAFaultThatCannotBeUndone(t *testing.T) {
	s := staged(t)
	s.stuck = true
	s.want(3, sick, "broken")
	s.want(300, sick, "stopping, UNDO")
	s.want(301, sick, "UNDO")
	s.stuck = false
	s.want(302, sick, "UNDO")
	s.want(303, sick, "")
}

func TestCalledOff(t *testing.T) {
	s := staged(t)
	called := sick
	called.Called = "its conductor was told to end"
	s.want(3, called, "broken, stopping, UNDO")
	s.want(5, well, "")
	s.want(9, well, "UNDO, END called off")
}

// Whoever goes on after an interruption has only the record, and comes to the same end.
func TestAnotherConductorGoesOn(t *testing.T) {
	s := staged(t)
	s.want(3, paged, "page, broken")
	s.want(10, well, "")
	s.course = gameday.Course{}
	s.want(14, well, "") // what its predecessor saw does not count
	s.want(18, well, "cured, UNDO, END cured")
}

// However often an entry is read, and whatever else is in the record, the game is the same.
func TestTheRecordIsFoldedOnce(t *testing.T) {
	s := staged(t)
	s.tell(sec(5), "ana", gameday.Event{What: gameday.Looked})
	s.tell(sec(6), "conductor", gameday.Event{What: gameday.Undone, Step: 1, Detail: "r209"})
	before := *s.game()
	scenario := parsed(t, whole)
	s.tell(sec(90), "eve", gameday.Event{What: gameday.Announced, Scenario: &scenario})
	s.tell(sec(90), "ana", gameday.Event{What: gameday.Looked})
	s.tell(sec(90), "conductor", gameday.Event{What: gameday.Undone, Step: 1, Detail: "r209"})
	s.tell(sec(90), "conductor", gameday.Event{What: gameday.Undone, Step: 7})
	for _, damaged := range []string{`{`, `{}`, `{"game":"GAME-0009","what":"page"}`, `[]`, `{"game":"GAME-0001","what":"dance"}`} {
		s.book.Take([]byte(damaged), sec(91), "eve")
	}
	if got := s.game(); len(s.book.Games) != 1 || !reflect.DeepEqual(*got, before) {
		t.Errorf("got %+v\nwas %+v", *got, before)
	}
	if got := s.game().Standing(); !reflect.DeepEqual(got, []int{2}) {
		t.Errorf("standing: %v", got)
	}
	s.tell(sec(95), "conductor", gameday.Event{What: gameday.Ended, Outcome: gameday.OutcomeCured})
	if s.book.Current() != nil {
		t.Error("it is over, and still the current one")
	}
}
