package export

import (
	"encoding/csv"
	"fmt"
	"io"
	"strings"
)

// csvTime is RFC 3339 to the millisecond, always of the same length: programs read it and text sorts as time does.
const csvTime = "2006-01-02T15:04:05.000Z"

// CSV writes the facts as RFC 4180: a header, one row a fact, oldest first, lines that end in CR LF. The first column is in
// UTC as RFC 3339 with milliseconds, id is what the source itself calls the fact's change, alert or entry. A cell that a
// spreadsheet would take for a formula begins with an apostrophe. The last column says what redaction took out of the
// whole export, on the first row only.
func CSV(w io.Writer, d Data, o Options) error {
	p, err := prepare(d, o)
	if err != nil {
		return err
	}
	out := csv.NewWriter(w)
	out.UseCRLF = true
	header := []string{"time_utc"}
	if o.Zone != nil {
		header = append(header, "time_"+o.Zone.String())
	}
	header = append(header, "t_plus", "what", "summary", "service", "environment", "actor", "actor_kind", "ai", "approved_by", "source", "id", "link", "evidence", "redaction")
	if err := out.Write(guarded(header)); err != nil {
		return fmt.Errorf("export as CSV: %w", err)
	}
	note := p.redaction()
	for _, f := range p.facts() {
		row := []string{f.at.UTC().Format(csvTime)}
		if o.Zone != nil {
			row = append(row, stampIn(f.at, o.Zone))
		}
		row = append(row, p.since(f.at), f.what, f.summary, f.service, f.environment, f.actor, f.actorKind, f.ai, f.approvedBy, f.source, f.id, f.link, f.evidence, note)
		note = ""
		if err := out.Write(guarded(row)); err != nil {
			return fmt.Errorf("export as CSV: %w", err)
		}
	}
	out.Flush()
	if err := out.Error(); err != nil {
		return fmt.Errorf("export as CSV: %w", err)
	}
	return nil
}

// guarded puts an apostrophe before what a spreadsheet would run.
func guarded(row []string) []string {
	for i, c := range row {
		if c != "" && strings.ContainsRune("=+-@\t\r\n", rune(c[0])) || strings.HasPrefix(c, "＝") || strings.HasPrefix(c, "＋") || strings.HasPrefix(c, "－") || strings.HasPrefix(c, "＠") {
			row[i] = "'" + c
		}
	}
	return row
}

// redaction says in one line what was taken out.
func (p *prepared) redaction() string {
	switch p.options.mode() {
	case Off:
		return "redaction was off"
	default:
		if len(p.counts) == 0 {
			return "redaction " + string(p.options.mode()) + ": nothing taken out"
		}
		var parts []string
		for _, c := range p.counts {
			parts = append(parts, fmt.Sprintf("%s %d", c.Rule, c.N))
		}
		return "redaction " + string(p.options.mode()) + ": " + strings.Join(parts, ", ")
	}
}
