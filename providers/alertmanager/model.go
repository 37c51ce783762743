package alertmanager

import (
	"net/url"
	"time"

	"github.com/backout-dev/backout/providers"
)

// wireAlert is a gettableAlert of Alertmanager's OpenAPI description, version 2. Fields that are not listed are ignored, so
// that newer servers are read as well. EndsAt of a firing alert is when it will run out unless it is sent again.
type wireAlert struct {
	Fingerprint  string            `json:"fingerprint"`
	StartsAt     time.Time         `json:"startsAt"`
	EndsAt       time.Time         `json:"endsAt"`
	GeneratorURL string            `json:"generatorURL"`
	Labels       map[string]string `json:"labels"`
	Annotations  map[string]string `json:"annotations"`
	Status       struct {
		State       string   `json:"state"` // unprocessed, active or suppressed
		SilencedBy  []string `json:"silencedBy"`
		InhibitedBy []string `json:"inhibitedBy"`
		MutedBy     []string `json:"mutedBy"` // since 0.28
	} `json:"status"`
}

// wireStatus is an alertmanagerStatus. What the API calls uptime is the time at which the instance started.
type wireStatus struct {
	Uptime time.Time `json:"uptime"`
}

// wireSilence is a gettableSilence.
type wireSilence struct {
	ID        string `json:"id"`
	CreatedBy string `json:"createdBy"`
	Comment   string `json:"comment"`
}

// alert makes the alert of the contract; silencedBy says who or what suppresses it.
func (p *Provider) alert(w *wireAlert, silencedBy []string) providers.Alert {
	a := providers.Alert{
		ID:          w.Fingerprint,
		Provider:    p.env.Name,
		Name:        w.Labels["alertname"],
		Service:     first(w.Labels, p.set.ServiceLabel),
		Environment: first(w.Labels, p.set.EnvironmentLabel),
		Severity:    w.Labels["severity"],
		Summary:     first(w.Annotations, []string{"summary", "message", "description"}),
		Labels:      labels(w.Labels),
		StartsAt:    w.StartsAt,
		URL:         link(w.GeneratorURL),
		State:       providers.AlertFiring,
	}
	if a.Environment == "" {
		a.Environment = p.env.Environment
	}
	if w.Status.State == "suppressed" {
		a.State, a.SilencedBy = providers.AlertSuppressed, silencedBy
	}
	providers.CleanAlert(&a)
	return a
}

func first(m map[string]string, keys []string) string {
	for _, k := range keys {
		if m[k] != "" {
			return m[k]
		}
	}
	return ""
}

// labels keeps a bounded number; which ones of a hostile thousand does not matter.
func labels(all map[string]string) map[string]string {
	if len(all) <= maxLabels {
		return all
	}
	some := make(map[string]string, maxLabels)
	for k, v := range all {
		if len(some) == maxLabels {
			break
		}
		some[k] = v
	}
	return some
}

// link keeps addresses of web pages only: others could do more than show a page when somebody opens them.
func link(s string) string {
	u, err := url.Parse(s)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") {
		return ""
	}
	return s
}
