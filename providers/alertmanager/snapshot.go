package alertmanager

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/httpapi"
)

// Alerts implements providers.AlertSource: what is firing or suppressed now, as far as it began before the window's end.
// Alertmanager keeps no history, so what was resolved earlier is not there.
func (p *Provider) Alerts(ctx context.Context, w providers.Window) iter.Seq2[providers.Alert, error] {
	return func(yield func(providers.Alert, error) bool) {
		_, err := p.read(ctx, false, func(a *wireAlert) error {
			if !w.Until.IsZero() && !a.StartsAt.Before(w.Until) {
				return nil
			}
			if !yield(p.alert(a, p.silencers(ctx, a)), nil) {
				return httpapi.ErrStop
			}
			return nil
		})
		if err != nil && !errors.Is(err, httpapi.ErrStop) {
			yield(providers.Alert{}, err)
		}
	}
}

// read streams one answer of /api/v2/alerts. Only a nil error means that it was complete.
func (p *Provider) read(ctx context.Context, all bool, each func(*wireAlert) error) (httpapi.Answer, error) {
	n := 0
	return p.client.Get(ctx, "/api/v2/alerts", p.filter(all), func(body io.Reader) error {
		return httpapi.Array(body, func(a wireAlert) error {
			if err := ctx.Err(); err != nil {
				return err
			}
			if n++; n > maxAlerts {
				return providers.Permanent(fmt.Errorf("more than %d alerts; narrow them down with filter", maxAlerts))
			}
			if a.Fingerprint == "" {
				return providers.Retryable(errors.New("an alert without a fingerprint: this is not the API of Alertmanager, version 2"))
			}
			return each(&a)
		})
	})
}

// snapshot is one complete answer of one instance. A zero started means that the server does not tell.
type snapshot struct {
	started time.Time // of the instance that gave it
	at      time.Time // by the server's clock, whole seconds
}

// observe reads all alerts and makes sure that one instance gave the whole answer: the start time is the same before and
// after. known is the start time that was seen at the end of the last observation, zero for none. begin is called before
// each attempt, so that the caller can drop what came from one that does not count.
func (p *Provider) observe(ctx context.Context, all bool, known time.Time, begin func(), each func(*wireAlert) error) (snapshot, error) {
	var err error
	if known.IsZero() {
		if known, err = p.started(ctx); err != nil {
			return snapshot{}, err
		}
	}
	for range 3 {
		begin()
		ans, err := p.read(ctx, all, each)
		if err != nil {
			return snapshot{}, err
		}
		after, err := p.started(ctx)
		if err != nil {
			return snapshot{}, err
		}
		if after.Equal(known) {
			if known.IsZero() {
				p.Done(p.env.Now(), nil) // the alerts were complete; that the status is missing is no fault
				p.Note("does not tell when it started, so that an alert that is gone stays unknown")
			}
			return snapshot{started: known, at: ans.At}, nil
		}
		known = after
	}
	err = providers.Retryable(errors.New("each of three answers came from another start of Alertmanager; it keeps restarting, or several instances answer at this address: set url to one of them"))
	p.Done(p.env.Now(), err)
	return snapshot{}, err
}

// started asks when the instance started; zero where the server cannot say.
func (p *Provider) started(ctx context.Context) (time.Time, error) {
	var s wireStatus
	_, err := p.client.Aside(ctx, "/api/v2/status", nil, func(body io.Reader) error { return httpapi.JSON(body, &s) })
	if providers.ClassOf(err) == providers.ClassPermanent {
		return time.Time{}, nil // servers that speak only a part of the API have alerts and no status
	}
	return s.Uptime.UTC(), err
}
