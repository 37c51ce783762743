package rollback

import (
	"fmt"
	"slices"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/rollback/ledger"
	"github.com/backout-dev/backout/rollback/store"
)

// attribute keeps with an entry what is known of AI assistance in its change: notes in a repository can be rewritten later, the
// record cannot. What nobody looked at says nothing, and takes nothing back.
func attribute(tx *store.Tx, e ledger.Entry, change *providers.Change) error {
	if change == nil || change.ID == "" || change.ID != e.Change || change.Assistance.State == "" {
		return nil
	}
	e.Unit, e.Body = "", nil
	return tx.Attribute(e, attribution(&change.Assistance), func(now, before *ledger.AttributionBody) string {
		text := fmt.Sprintf("AI in %s: %s", e.Change, now)
		if before != nil {
			text += fmt.Sprintf("; entry %d said: %s", now.Since, before)
		}
		return text
	})
}

func attribution(a *providers.Assistance) ledger.AttributionBody {
	b := ledger.AttributionBody{
		State: string(a.State), Tools: cleaned(a.Tools), Evidence: len(a.Evidence), Checked: cleaned(a.Checked), Ruleset: providers.Clean(a.Ruleset),
	}
	for _, e := range a.Evidence {
		b.Sources = append(b.Sources, e.Source)
	}
	b.Sources = cleaned(b.Sources)
	return b
}

func cleaned(texts []string) []string {
	var out []string
	for _, t := range texts {
		if t = providers.Clean(t); t != "" {
			out = append(out, t)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// change is the one that a plan takes back, as it was when the plan was made; nil where it takes back none that is known.
func (p *Plan) change() *providers.Change {
	if p.basis == nil || p.basis.req.Change == nil || p.basis.req.Change.ID != p.Change {
		return nil
	}
	return p.basis.req.Change
}
