package export

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/backout-dev/backout/providers/incident"
	"github.com/backout-dev/backout/rollback/ledger"
	"github.com/backout-dev/backout/timeline"
	"github.com/backout-dev/backout/timeline/culprit"
)

// Input is what a ranking may look at of an incident file. Dismissed suspects come from its record, as far as they were
// dismissed by its At; its truth is never looked at.
func Input(doc incident.Document) culprit.Input {
	in := culprit.Input{
		ID: doc.ID, At: doc.At, Onset: timeline.Onset{Earliest: doc.Onset.Earliest, Latest: doc.Onset.Latest},
		Services: doc.Services, Edges: doc.Edges, Alerts: doc.Alerts, Changes: doc.Changes, Signals: doc.Signals,
	}
	for _, raw := range doc.Record {
		var e ledger.Entry
		if json.Unmarshal(raw, &e) != nil || e.Kind != ledger.KindSuspect || e.At.After(doc.At) || (e.Incident != "" && e.Incident != doc.ID) {
			continue
		}
		var said struct {
			Confirm bool   `json:"confirm"`
			Reason  string `json:"reason"`
		}
		if json.Unmarshal(e.Body, &said) != nil || said.Confirm || e.Change == "" {
			continue
		}
		if in.Dismissed == nil {
			in.Dismissed = map[string]string{}
		}
		in.Dismissed[incident.CleanID(e.Change)] = said.Reason
	}
	return in
}

// prepared is the data as it will be written: redacted, and ranked as whoever opens the incident file will rank it.
type prepared struct {
	Data
	options  Options
	doc      incident.Document
	ranking  culprit.Ranking
	reworded bool // redaction changed the ranking that was shown
	counts   []Count
	first    time.Time // start of the first alert; zero: no alert
}

// prepare redacts d and makes the incident file of it. The ranking is that of the file's bytes, read back: so an export
// opens and ranks again to what it says.
func prepare(d Data, o Options) (*prepared, error) {
	if d.GeneratedAt.IsZero() {
		d.GeneratedAt = d.At
	}
	if d.At.IsZero() {
		d.At = d.GeneratedAt
	}
	shown := d.Ranking
	d, counts := redacted(d, o)
	p := &prepared{Data: d, options: o, counts: counts}
	doc := incident.Document{
		ID: d.Incident.ID, Title: d.Incident.Title, At: d.At.UTC(),
		Onset:    incident.Onset{Earliest: d.Incident.Onset.Earliest.UTC(), Latest: d.Incident.Onset.Latest.UTC()},
		Services: d.Services, Edges: d.Edges, Alerts: d.Alerts, Changes: d.Changes, Signals: d.Signals,
	}
	for i := range d.Record {
		raw, err := json.Marshal(beside(&d, i, o.mode()))
		if err != nil {
			return nil, fmt.Errorf("export entry %d of the record: %w", d.Record[i].Seq, err)
		}
		doc.Record = append(doc.Record, raw)
	}
	var err error
	if doc.Unknown, err = p.remarks(); err != nil {
		return nil, err
	}
	raw, err := incident.Encode(&doc)
	if err != nil {
		return nil, fmt.Errorf("export %s: %w", d.Incident.ID, err)
	}
	if p.doc, err = incident.Decode(raw); err != nil {
		return nil, fmt.Errorf("read the export of %s back: %w", d.Incident.ID, err)
	}
	p.Alerts, p.Changes = p.doc.Alerts, p.doc.Changes
	p.ranking = culprit.Rank(Input(p.doc))
	p.reworded = len(shown.Ranking) > 0 && shown.At.Equal(p.ranking.At) && !sameRanking(shown, p.ranking)
	for i := range p.Alerts {
		if t := p.Alerts[i].StartsAt; !t.IsZero() && (p.first.IsZero() || t.Before(p.first)) {
			p.first = t
		}
	}
	return p, nil
}

// besides is an entry with what lies beside its line. Its digest and its signatures are of the line that was written: they show which entry
// of the record this copy is of, also where redaction took something out of the copy.
type besides struct {
	ledger.Entry
	Digest     string   `json:"digest,omitempty"`
	Signatures []string `json:"signatures,omitempty"`
}

// beside gives an entry with its digest and, where people may be known, with its signatures: a key is somebody's.
func beside(d *Data, i int, mode Mode) besides {
	out := besides{Entry: d.Record[i]}
	w, ok := d.Beside[out.Seq]
	if !ok {
		return out
	}
	out.Digest = w.Digest.String()
	for k := range w.Signatures {
		if mode != Names {
			out.Signatures = append(out.Signatures, ledger.Armored(w.Signatures[k].Blob))
		}
	}
	return out
}

// remarks are the fields of the incident file that say how it was made.
func (p *prepared) remarks() (map[string]json.RawMessage, error) {
	made, err := json.Marshal(p.GeneratedAt.UTC())
	if err != nil {
		return nil, fmt.Errorf("export the time: %w", err)
	}
	report, err := json.Marshal(struct {
		Mode  Mode    `json:"mode"`
		Taken []Count `json:"taken_out"`
	}{p.options.mode(), p.counts})
	if err != nil {
		return nil, fmt.Errorf("export the redaction report: %w", err)
	}
	return map[string]json.RawMessage{"generated_at": made, "redaction": report}, nil
}

// sameRanking compares what matters to a reader: the order, the probabilities.
func sameRanking(a, b culprit.Ranking) bool {
	if len(a.Ranking) != len(b.Ranking) || a.None != b.None {
		return false
	}
	for i := range a.Ranking {
		if a.Ranking[i].P != b.Ranking[i].P {
			return false
		}
	}
	return true
}
