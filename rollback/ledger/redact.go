package ledger

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// FieldPayload is the field that stands for the raw payload beside an entry.
const FieldPayload = "payload"

// StandIn says of a line that it stands where another one was written, whose digest the chain and the tree go on naming.
type StandIn struct {
	Digest string   `json:"digest"` // hex SHA-256 of the line that was written
	Fields []string `json:"fields"` // what was taken out
}

// RedactionBody is the body of the entry that says what was taken out of an earlier one, and why. It binds the stand-in,
// which nothing else does.
type RedactionBody struct {
	Entry   int64    `json:"entry"`
	Digest  string   `json:"digest"`             // of the line that was written
	StandIn string   `json:"stand_in,omitempty"` // hex SHA-256 of the line that stands in for it; empty where it is still that line
	Payload string   `json:"payload,omitempty"`  // digest of the payload that was taken away
	Fields  []string `json:"fields"`
	Journal []string `json:"journal,omitempty"` // the runs from whose journal it was taken as well
	Reason  string   `json:"reason"`
}

// Redaction is what redacting an entry comes to.
type Redaction struct {
	Line    []byte   // what is stored from now on
	Removed []string // what was taken out
	Run     string   // that the entry is about
	Body    RedactionBody
}

// bound are fields of a body that the journal is compared with: taken out, they would look like damage.
var bound = []string{"state", "measure", "plan_hash", "event", "op", "token", "digest", "stand_in", "payload"}

// Redact takes fields out of a stored line: "text", "payload", or a text in the body by its path, "body.reason" or
// "body.units.0.from_label". Who acted, when, and on what cannot be taken out.
func Redact(line []byte, fields []string) (Redaction, error) {
	var e Entry
	if err := json.Unmarshal(line, &e); err != nil {
		return Redaction{}, fmt.Errorf("the entry is damaged: %w", err)
	}
	r := Redaction{Line: line, Run: e.Run, Body: RedactionBody{Entry: e.Seq, Digest: DigestOf(line).String(), Fields: slices.Compact(slices.Sorted(slices.Values(fields)))}}
	var out []string
	for _, f := range r.Body.Fields {
		was, err := e.takeOut(f)
		if err != nil {
			return Redaction{}, fmt.Errorf("%s: %w", f, err)
		}
		if f == FieldPayload {
			r.Body.Payload = e.Payload
			continue
		}
		r.Removed, out = append(r.Removed, was), append(out, f)
	}
	if e.Redacted != nil {
		out = append(out, e.Redacted.Fields...)
	}
	if len(out) > 0 {
		slices.Sort(out)
		e.Redacted = &StandIn{Digest: r.Body.Digest, Fields: slices.Compact(out)}
		var err error
		if r.Line, err = Line(e); err != nil {
			return Redaction{}, err
		}
		r.Body.StandIn = Hash(r.Line)
	}
	return r, nil
}

// takeOut replaces one field, and returns what it held.
func (e *Entry) takeOut(field string) (string, error) {
	switch path, ok := strings.CutPrefix(field, "body."); {
	case e.Kind == KindAttribution:
		return "", errors.New("what was recorded of AI assistance stays")
	case field == FieldPayload && e.Payload != "":
		return "", nil
	case field == FieldPayload:
		return "", errors.New("it has none")
	case field == "text":
		was := e.Text
		e.Text = Redacted
		return was, notYet(was)
	case !ok:
		return "", errors.New("only text, payload and texts of the body (body.reason) can be taken out")
	case e.Kind == KindProof:
		return "", errors.New("what a proof says is compared with the journal, and stays")
	default:
		var body any
		dec := json.NewDecoder(bytes.NewReader(e.Body))
		dec.UseNumber()
		if err := dec.Decode(&body); err != nil {
			return "", errors.New("it has no such text")
		}
		was, err := takeOutOf(body, strings.Split(path, "."))
		if err != nil {
			return "", err
		}
		e.Body, err = json.Marshal(body)
		return was, err
	}
}

func takeOutOf(v any, path []string) (string, error) {
	if slices.Contains(bound, path[0]) {
		return "", fmt.Errorf("%s is what the record is checked by, and stays", path[0])
	}
	var in any
	put := func(string) {}
	switch v := v.(type) {
	case map[string]any:
		in, put = v[path[0]], func(s string) { v[path[0]] = s }
	case []any:
		if i, err := strconv.Atoi(path[0]); err == nil && i >= 0 && i < len(v) {
			in, put = v[i], func(s string) { v[i] = s }
		}
	}
	if len(path) > 1 && in != nil {
		return takeOutOf(in, path[1:])
	}
	was, ok := in.(string)
	if !ok || len(path) > 1 {
		return "", errors.New("it has no such text")
	}
	put(Redacted)
	return was, notYet(was)
}

func notYet(was string) error {
	if was == Redacted {
		return errors.New("it is redacted already")
	}
	return nil
}

// standInOf says what a line stands in for; nil is that it is the line that was written.
func standInOf(line []byte) *StandIn {
	if !bytes.Contains(line, []byte(`"redacted":{`)) {
		return nil // as good as every line
	}
	var e struct {
		Redacted *StandIn `json:"redacted"`
	}
	if json.Unmarshal(line, &e) != nil {
		return nil
	}
	return e.Redacted
}

// cuts are the stand-ins and the redactions of a ledger.
type cuts struct {
	standIns   map[int64]struct{ digest, line string }
	redactions map[int64]cutBy // the last one of each entry
	malformed  []int64
}

type cutBy struct {
	seq int64
	RedactionBody
}

func (c *cuts) standIn(seq int64, digest, line string) {
	if c.standIns == nil {
		c.standIns = map[int64]struct{ digest, line string }{}
	}
	c.standIns[seq] = struct{ digest, line string }{digest, line}
}

func (c *cuts) redaction(seq int64, body json.RawMessage) {
	by := cutBy{seq: seq}
	if json.Unmarshal(body, &by.RedactionBody) != nil {
		c.malformed = append(c.malformed, seq)
		return
	}
	if c.redactions == nil {
		c.redactions = map[int64]cutBy{}
	}
	if was, ok := c.redactions[by.Entry]; ok && by.StandIn == "" {
		by.StandIn = was.StandIn // of the payload alone
	}
	c.redactions[by.Entry] = by
}

// cut finds stand-ins that no redaction made, and content that came back.
func (w *walk) cut() {
	for _, seq := range w.cuts.malformed {
		w.Add(seq, Malformed, "entry %d does not say what it redacted", seq)
	}
	for seq, s := range w.cuts.standIns {
		by, ok := w.cuts.redactions[seq]
		if !ok || by.seq <= seq || by.Digest != s.digest || by.StandIn != s.line {
			w.Add(seq, Altered, "entry %d says that it is redacted, and no redaction on the record made it what it is", seq)
		}
	}
	for seq, by := range w.cuts.redactions {
		if _, ok := w.cuts.standIns[seq]; !ok && by.StandIn != "" {
			w.Add(seq, Altered, "entry %d was redacted by entry %d, and holds again what was taken out", seq, by.seq)
		}
		w.Redacted = append(w.Redacted, seq)
	}
	slices.Sort(w.Redacted)
}
