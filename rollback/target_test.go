package rollback

import (
	"slices"
	"testing"
)

// Going to the newest content less one change takes back that change and nothing that came after it.
func TestTakenBackWithoutWhatCameLater(t *testing.T) {
	ch := choice{
		revs:    []Revision{{Digest: "tip"}, {Digest: "less", Staged: true, Without: []string{"bad"}}, {Digest: "bad"}, {Digest: "old"}},
		culprit: 2, target: 1,
	}
	got := ch.taken()
	if !slices.EqualFunc(got, []string{"bad"}, func(r Revision, d string) bool { return r.Digest == d }) {
		t.Errorf("taken back: %+v", got)
	}
	ch.target = 3
	if got := ch.taken(); len(got) != 2 || got[0].Digest != "tip" || got[1].Digest != "bad" {
		t.Errorf("taken back on the way to the old one: %+v", got)
	}
}
