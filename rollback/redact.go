package rollback

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/rollback/ledger"
	"github.com/backout-dev/backout/rollback/policy"
	"github.com/backout-dev/backout/rollback/store"
)

// RedactRequest says what is to be taken out of an entry of the record, by whom and why. Fields are as in [ledger.Redact].
type RedactRequest struct {
	Entry  int64
	Fields []string
	Reason string
	By     policy.Principal
}

// Redact takes something out of an entry of the record that should never have been in it. That cannot be taken back; the
// entry shows as redacted from then on, and a new one says who did it, when and why. An agent may not.
func (e *Engine) Redact(ctx context.Context, req RedactRequest) (store.Redacted, error) {
	reason := ledger.Scrub(strings.TrimSpace(providers.Clean(req.Reason)))
	switch err := e.Writable(); {
	case err != nil:
		return store.Redacted{}, err
	case req.By.Kind == policy.Agent:
		return store.Redacted{}, fmt.Errorf("%w: an agent may not take anything out of the record", ErrRefused)
	case reason == "":
		return store.Redacted{}, errors.New("say why: a reason is kept with it")
	case len(req.Fields) == 0:
		return store.Redacted{}, errors.New("say what is to be taken out: text, payload or a text of the body")
	}
	done, err := e.cfg.Store.Redact(ctx, req.Entry, req.Fields, reason, ledger.Entry{
		At: e.cfg.Now().UTC(), Actor: providers.Clean(req.By.ID), ActorKind: string(req.By.Kind),
		Text: providers.Clean(fmt.Sprintf("redacted %s of entry %d: %s", strings.Join(req.Fields, ", "), req.Entry, reason)),
	})
	if err != nil {
		return store.Redacted{}, fmt.Errorf("the record: %w", err)
	}
	return done, nil
}
