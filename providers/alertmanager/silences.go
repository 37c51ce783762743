package alertmanager

import (
	"context"
	"io"
	"time"

	"github.com/backout-dev/backout/providers/httpapi"
)

const (
	maxSilences = 10_000
	maxComment  = 200
	silencesAge = 10 * time.Second // how long an unknown silence is not asked for again
)

// silencers says who or what suppresses an alert, one line each; nil for an alert that is not suppressed.
func (p *Provider) silencers(ctx context.Context, a *wireAlert) []string {
	if a.Status.State != "suppressed" {
		return nil
	}
	lines := make([]string, 0, len(a.Status.SilencedBy)+len(a.Status.InhibitedBy)+len(a.Status.MutedBy))
	for _, id := range a.Status.SilencedBy {
		lines = append(lines, p.silence(ctx, id))
	}
	for _, id := range a.Status.InhibitedBy {
		lines = append(lines, "inhibited by alert "+id)
	}
	for _, name := range a.Status.MutedBy {
		lines = append(lines, "muted by time interval "+name)
	}
	return lines[:min(len(lines), 10)]
}

// silence is "createdBy: comment" of a silence. Where the server does not tell, its id has to do: that an alert is silenced
// is known without it.
func (p *Provider) silence(ctx context.Context, id string) string {
	p.mu.Lock()
	text, ok := p.silences[id]
	now := p.env.Now()
	ask := !ok && now.Sub(p.asked) >= silencesAge
	if ask {
		p.asked = now
	}
	p.mu.Unlock() // a reader that gives up must not wait for another one's request
	if ask {
		all, err := p.readSilences(ctx)
		if err == nil {
			p.mu.Lock()
			p.silences = all
			p.mu.Unlock()
			text, ok = all[id]
		} else if ctx.Err() == nil {
			p.env.Log.Warn("read silences", "provider", p.env.Name, "error", err)
		}
	}
	if !ok {
		return "silence " + id
	}
	return text
}

func (p *Provider) readSilences(ctx context.Context) (map[string]string, error) {
	all := map[string]string{}
	_, err := p.client.Aside(ctx, "/api/v2/silences", nil, func(body io.Reader) error {
		return httpapi.Array(body, func(s wireSilence) error {
			if len(all) < maxSilences {
				all[s.ID] = s.CreatedBy + ": " + s.Comment[:min(len(s.Comment), maxComment)]
			}
			return nil
		})
	})
	return all, err
}
