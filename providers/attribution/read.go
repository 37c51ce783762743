package attribution

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/backout-dev/backout/providers"
)

// maxRow is the longest line of [ReadCommits] in bytes.
const maxRow = 16 << 20

// Row is one commit to judge, with the id that the answer carries.
type Row struct {
	ID     string
	Commit Commit
}

// Answer is the verdict on a row, one JSON object a line.
type Answer struct {
	ID string `json:"id"`
	providers.Assistance
}

type person struct {
	Name  string    `json:"name"`
	Email string    `json:"email"`
	Date  time.Time `json:"date,omitzero"`
}

type row struct {
	ID        string                     `json:"id"`
	Author    person                     `json:"author"`
	Committer person                     `json:"committer"`
	Message   string                     `json:"message"`
	Date      time.Time                  `json:"date,omitzero"`
	Branch    string                     `json:"branch"`
	Notes     map[string]json.RawMessage `json:"notes"`

	checkpoints []string
}

// UnmarshalJSON also keeps the metadata of agent sessions, under whatever name a row carries it.
func (r *row) UnmarshalJSON(b []byte) error {
	type plain row
	if err := json.Unmarshal(b, (*plain)(r)); err != nil {
		return err
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(b, &all); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		switch name {
		case "id", "author", "committer", "message", "date", "branch", "notes":
		case "checkpoint", "checkpoints", "entire":
			r.checkpoints = append(r.checkpoints, metadata(all[name])...)
		default:
			if bytes.Contains(all[name], []byte("agent_percentage")) {
				r.checkpoints = append(r.checkpoints, metadata(all[name])...)
			}
		}
	}
	return nil
}

// ReadCommits reads commits as JSON lines: id, author and committer (name, email, date), message, and optionally date,
// branch, notes (by ref) and checkpoint (metadata of an agent's session). Unknown fields are ignored. A line that cannot be read is an error that names
// it; reading goes on after it, and stops only where the input does.
func ReadCommits(in io.Reader) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		lines := bufio.NewScanner(in)
		lines.Buffer(make([]byte, 0, 64<<10), maxRow)
		n := 0
		for lines.Scan() {
			n++
			if len(strings.TrimSpace(lines.Text())) == 0 {
				continue
			}
			var r row
			if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
				if !yield(Row{}, fmt.Errorf("commit on line %d: %w", n, err)) {
					return
				}
				continue
			}
			if !yield(Row{ID: r.ID, Commit: r.commit()}, nil) {
				return
			}
		}
		if err := lines.Err(); errors.Is(err, bufio.ErrTooLong) {
			yield(Row{}, fmt.Errorf("commit on line %d is longer than %d bytes: %w", n+1, maxRow, err))
		} else if err != nil {
			yield(Row{}, fmt.Errorf("read commits after line %d: %w", n, err))
		}
	}
}

func (r row) commit() Commit {
	c := Commit{
		AuthorName: r.Author.Name, AuthorEmail: r.Author.Email,
		CommitterName: r.Committer.Name, CommitterEmail: r.Committer.Email,
		Message: r.Message, Branch: r.Branch, NoteLooked: r.Notes != nil,
	}
	for _, t := range []time.Time{r.Author.Date, r.Date, r.Committer.Date} {
		if c.When.IsZero() {
			c.When = t.UTC()
		}
	}
	for _, ref := range slices.Sorted(maps.Keys(r.Notes)) {
		if strings.HasSuffix(ref, "notes/ai") {
			c.Note = textOf(r.Notes[ref])
		} else {
			c.Checkpoints = append(c.Checkpoints, metadata(r.Notes[ref])...)
		}
	}
	c.Checkpoints = append(c.Checkpoints, r.checkpoints...)
	return c
}

// textOf is a JSON string's text, or the JSON itself.
func textOf(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return s
	}
	return string(raw)
}

// metadata gives the checkpoints in raw: one object, a list of them, or either as text.
func metadata(raw json.RawMessage) []string {
	if len(raw) == 0 || string(raw) == "null" {
		return nil
	}
	s := textOf(raw)
	var list []json.RawMessage
	if json.Unmarshal([]byte(s), &list) == nil {
		var out []string
		for _, one := range list {
			out = append(out, textOf(one))
		}
		return out
	}
	return []string{s}
}
