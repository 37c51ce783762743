package culprit_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/timeline/culprit"
)

func TestTiesAreDeclared(t *testing.T) {
	in := shop()
	in.Changes = append(in.Changes, release("one", "pricing", 50*time.Second))
	twin := release("two", "pricing", 50*time.Second)
	twin.Unit = "releases:shop/pricing-worker"
	in.Changes = append(in.Changes, twin)
	if r := culprit.Rank(in); !r.Tie {
		t.Errorf("two releases of one service in one second cannot be told apart:\n%s", dump(r))
	}
	in.Changes = in.Changes[:len(in.Changes)-1]
	if r := culprit.Rank(in); r.Tie {
		t.Errorf("one release alone is no tie:\n%s", dump(r))
	}
}

func TestNothingMeasuredIsHeldAtTheCap(t *testing.T) {
	in := shop()
	in.Changes = []providers.Change{release("bad", "pricing", 3*time.Second)}
	in.Changes[0].Kind = providers.KindConfig
	in.Changes[0].Title = "GET / answers"
	in.Changes[0].EffectiveTo, in.Changes[0].Rollout = time.Time{}, []providers.RolloutStep{{At: in.Changes[0].EffectiveFrom, Share: 0.1}}
	r := culprit.Rank(in)
	if s := top(t, r); s.P != 0.9 || r.None < 0.0999 {
		t.Fatalf("with nothing measured p stays at 0.9 and none takes the rest:\n%s", dump(r))
	}
	last := r.Ranking[0].Evidence[len(r.Ranking[0].Evidence)-1]
	if last.Term != "cap" || last.Weight != 0 || !strings.Contains(last.Text, "held at 90%") {
		t.Errorf("the cap is not said: %+v", last)
	}
}

func TestADrillAndADismissedSuspectTakeNothingFromTheOthers(t *testing.T) {
	in := shop()
	in.Changes = append(in.Changes, release("bad", "pricing", 3*time.Second))
	want := culprit.Rank(in)
	drill := release("drill", "pricing", 2*time.Second)
	drill.Kind = providers.KindDrill
	in.Changes = append(in.Changes, drill)
	r := culprit.Rank(in)
	if r.Ranking[0].Change != "bad" || r.Ranking[0].Score != want.Ranking[0].Score {
		t.Errorf("a drill changed the score of another change:\n%s", dump(r))
	}
	if last := r.Ranking[len(r.Ranking)-1]; evidence(t, r, "drill", "drill").Weight >= 0 || last.P > 0.001 {
		t.Errorf("a drill should stand far below:\n%s", dump(r))
	}
	in.Dismissed = map[string]string{"bad": "it was never switched on"}
	if r = culprit.Rank(in); r.Ranking[0].Change == "bad" || r.None < 0.5 {
		t.Errorf("dismissed, it should not lead:\n%s", dump(r))
	}
}

func TestNoAlertsAndNoChanges(t *testing.T) {
	if r := culprit.Rank(culprit.Input{ID: "empty", At: t0}); r.None != 1 || len(r.Ranking) != 0 || r.Tie {
		t.Errorf("with nothing listed none is certain: %+v", r)
	}
	in := shop()
	in.Alerts = nil
	r := culprit.Rank(in)
	if e := evidence(t, r, "h00", "time"); e.Text != "unknown: no alert says when the symptoms began" {
		t.Errorf("time without alerts: %+v", e)
	}
}

func TestEncodeWritesOneLine(t *testing.T) {
	in := culprit.Input{ID: "INC-7", At: t0.In(time.FixedZone("", 3600)), Changes: []providers.Change{{ID: "a<b>", LandedAt: t0.Add(-9 * time.Minute), Lines: 3}}}
	in.Alerts = []providers.Alert{{ID: "x", StartsAt: t0}}
	var b bytes.Buffer
	if err := culprit.Encode(&b, culprit.Rank(in)); err != nil {
		t.Fatal(err)
	}
	want := `{"id":"INC-7","at":"2026-03-04T10:00:00Z","none":0.1,"tie":false,"ranking":[{"change":"a<b>","p":0.9,"score":3.239,"evidence":[` +
		`{"term":"time","weight":2.1,"text":"landed 9 min before the first symptom (when it took effect is unknown)"},` +
		`{"term":"precursor","weight":0,"text":"unknown: no measurement of the symptom before the first alert"},` +
		`{"term":"recency","weight":1,"text":"the latest change to its source before the first symptom"},` +
		`{"term":"target","weight":0,"text":"unknown: no alert names a service"},` +
		`{"term":"topology","weight":0,"text":"unknown: no alert names a service"},` +
		`{"term":"covers","weight":0,"text":"unknown: no alert names a service"},` +
		`{"term":"contrast","weight":0,"text":"unknown: when and where it took effect, so nothing to compare"},` +
		`{"term":"rollout","weight":0,"text":"unknown: how it was rolled out"},` +
		`{"term":"symptom-text","weight":0,"text":"unknown: the alerts carry no text"},` +
		`{"term":"kind","weight":0,"text":"unknown: what kind of change it is"},` +
		`{"term":"size","weight":0.139,"text":"3 lines"},` +
		`{"term":"assistance","weight":0,"text":"unknown: nobody looked for AI assistance"},` +
		`{"term":"cap","weight":0,"text":"held at 90% (97.4% by the weights): no scope, no contrast and no rollout speaks for it; the rest went to the others and to none"}]}]}` + "\n"
	if got := b.String(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left") }

func TestEncodeReportsWhatCannotBeWritten(t *testing.T) {
	if err := culprit.Encode(full{}, culprit.Ranking{ID: "INC-7"}); err == nil || !strings.Contains(err.Error(), "INC-7") {
		t.Errorf("error: %v", err)
	}
}
