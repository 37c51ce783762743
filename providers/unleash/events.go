package unleash

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/httpapi"
)

// What happened, as Unleash's event log names it.
const (
	typeCreated  = "feature-created"
	typeOn       = "feature-environment-enabled"
	typeOff      = "feature-environment-disabled"
	typeAdd      = "feature-strategy-add"
	typeUpdate   = "feature-strategy-update"
	typeRemove   = "feature-strategy-remove"
	typeOrder    = "strategy-order-changed"
	typeVariants = "feature-environment-variants-updated"
	typeArchived = "feature-archived"
	typeRevived  = "feature-revived"
	typeParent   = "feature-dependency-added"
	typeOrphan   = "feature-dependency-removed"
	typeTagged   = "feature-tagged"
	typeUntagged = "feature-untagged"
)

// shown are the types of event that alter for whom a flag is on.
func shown() []string {
	return []string{typeOn, typeOff, typeAdd, typeUpdate, typeRemove, typeOrder, typeVariants, typeArchived, typeRevived, typeParent, typeOrphan}
}

// event is one entry of the log. The newest has the highest id.
type event struct {
	ID          int64           `json:"id"`
	Type        string          `json:"type"`
	By          string          `json:"createdBy"`
	ByID        int64           `json:"createdByUserId"`
	At          time.Time       `json:"createdAt"`
	Flag        string          `json:"featureName"`
	Project     string          `json:"project"`
	Environment string          `json:"environment"`
	Group       string          `json:"groupId"`
	Data        json.RawMessage `json:"data"`
	Before      json.RawMessage `json:"preData"`
	Tags        []tag           `json:"tags"`
}

type tag struct {
	Type  string `json:"type"`
	Value string `json:"value"`
}

// label is how the configuration that an event began is called.
func (e event) label() string { return "e" + strconv.FormatInt(e.ID, 10) }

// read reads the data of an event on a strategy.
func read(data json.RawMessage) (strategy, bool) {
	var s strategy
	if len(data) == 0 || json.Unmarshal(data, &s) != nil || s.ID == "" {
		return strategy{}, false
	}
	return s.whole(), true
}

// pageSize is the most events that Unleash gives at once.
const pageSize = 1000

// log reads the events that the query asks for, the newest first by the time that they carry, page by page, until each has
// enough. What comes in meanwhile shifts the pages: nothing is given twice.
func (p *Provider) log(ctx context.Context, query url.Values, each func(event) error) error {
	query.Set("limit", strconv.Itoa(pageSize))
	var before map[int64]bool // of the page before
	for offset := 0; ; offset += pageSize {
		query.Set("offset", strconv.Itoa(offset))
		n, page := 0, map[int64]bool{}
		_, err := p.api.Get(ctx, "/api/admin/search/events", query, func(r io.Reader) error {
			return events(r, func(e event) error {
				n++
				page[e.ID] = true
				if before[e.ID] {
					return nil
				}
				return each(e)
			})
		})
		if err != nil || n < pageSize {
			return err
		}
		before = page
	}
}

// events decodes one page, an event at a time.
func events(r io.Reader, each func(event) error) error {
	dec, err := httpapi.NewDecoder(r)
	if err != nil {
		return err
	}
	if err := dec.Delim('{'); err != nil {
		return err
	}
	found := false
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return httpapi.Garbled(err)
		}
		if key != "events" {
			var skipped json.RawMessage
			if err := dec.Decode(&skipped); err != nil {
				return httpapi.Garbled(err)
			}
			continue
		}
		found = true
		if err := dec.Delim('['); err != nil {
			return err
		}
		if err := httpapi.Elements(dec, each); err != nil {
			return err
		}
	}
	if !found {
		return providers.Retryable(errors.New("the answer is no list of events; is url that of an Unleash server, version 7 or later?"))
	}
	return dec.Delim('}')
}

// stampPrefix begins the value of the tag that a flag carries while backout changes it. The log keeps that it was there.
const stampPrefix = "backout-"

// stamp reads which operation a tag is of.
func (t tag) stamp() (op string, ok bool) {
	op, ok = strings.CutPrefix(t.Value, stampPrefix)
	return op, ok && op != "" && t.Type == "simple"
}

// stamps says of each event, the newest first, which operation of backout made it: what one actor did between putting its tag
// on a flag and taking it off.
func stamps(log []event) map[int64]string {
	out := map[int64]string{}
	type holder struct {
		by   string
		byID int64
	}
	open := map[string]holder{}
	newest := ""
	for _, e := range slices.Backward(log) {
		switch e.Type {
		case typeTagged, typeUntagged:
			var t tag
			data := e.Data
			if e.Type == typeUntagged {
				data = e.Before
			}
			_ = json.Unmarshal(data, &t)
			if op, ok := t.stamp(); ok && e.Type == typeTagged {
				open[op], newest = holder{e.By, e.ByID}, op
			} else if ok {
				delete(open, op)
			}
		default:
			if h, ok := open[newest]; ok && h == (holder{e.By, e.ByID}) {
				out[e.ID] = newest
			}
		}
	}
	return out
}

// left are the tags of operations that never took theirs off.
func left(log []event) []string {
	open := map[string]bool{}
	for _, e := range slices.Backward(log) {
		var t tag
		switch e.Type {
		case typeTagged:
			_ = json.Unmarshal(e.Data, &t)
			if _, ok := t.stamp(); ok {
				open[t.Value] = true
			}
		case typeUntagged:
			_ = json.Unmarshal(e.Before, &t)
			delete(open, t.Value)
		}
	}
	var out []string
	for value := range open {
		out = append(out, value)
	}
	slices.Sort(out)
	return out
}
