package attribution

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/backout-dev/backout/providers"
)

// SourceNote names the notes of git-ai among the sources of evidence.
const SourceNote = "note:refs/notes/ai"

// MaxNote is the longest note in bytes that is read; real ones reach 3 MB.
const MaxNote = 8 << 20

// Note is what a git-ai note (Git AI Standard 3.0.0) records of one commit.
type Note struct {
	Schema  string
	Agents  []NoteAgent // by tool and model, sorted
	Human   int         // lines recorded as a person's
	Unknown int         // lines whose key leads nowhere
}

// NoteAgent is one tool and model with its lines; 0 lines is a session that left none in this commit.
type NoteAgent struct {
	Tool, Model string
	Lines       int
	Human       string // who drove it
}

type agentID struct {
	Tool  string `json:"tool"`
	Model string `json:"model"`
}

type noteSession struct {
	AgentID agentID `json:"agent_id"`
	Human   string  `json:"human_author"`
}

type noteMetadata struct {
	Schema   string                     `json:"schema_version"`
	Prompts  map[string]noteSession     `json:"prompts"`
	Sessions map[string]noteSession     `json:"sessions"`
	Humans   map[string]json.RawMessage `json:"humans"`
}

// ParseNote reads a note: which lines belong to whom, a line "---", then JSON. The note may begin with the line.
func ParseNote(s string) (Note, error) {
	if len(s) > MaxNote {
		return Note{}, fmt.Errorf("git-ai note of %d bytes is longer than %d", len(s), MaxNote)
	}
	s = strings.ReplaceAll(s, "\r\n", "\n")
	lines, meta, ok := "", "", false
	if rest, found := strings.CutPrefix(s, "---\n"); found {
		meta, ok = rest, true
	} else {
		lines, meta, ok = strings.Cut(s, "\n---\n")
	}
	if !ok {
		return Note{}, errors.New(`git-ai note has no line "---"`)
	}
	var m noteMetadata
	if err := json.Unmarshal([]byte(meta), &m); err != nil {
		return Note{}, fmt.Errorf("git-ai note's metadata: %w", err)
	}
	return m.count(lines), nil
}

func (m *noteMetadata) count(attestation string) Note {
	n := Note{Schema: cut(m.Schema, 60)}
	agents := map[string]*NoteAgent{}
	at := func(s noteSession) *NoteAgent {
		key := s.AgentID.Tool + "\x00" + s.AgentID.Model
		if agents[key] == nil {
			agents[key] = &NoteAgent{Tool: s.AgentID.Tool, Model: s.AgentID.Model, Human: s.Human}
		}
		return agents[key]
	}
	for _, list := range []map[string]noteSession{m.Sessions, m.Prompts} {
		for _, id := range slices.Sorted(maps.Keys(list)) {
			at(list[id])
		}
	}
	for line := range strings.SplitSeq(attestation, "\n") {
		if !strings.HasPrefix(line, "  ") {
			continue // a file's path
		}
		key, spans, _ := strings.Cut(strings.TrimSpace(line), " ")
		key, _, _ = strings.Cut(key, "::")
		count := countLines(spans)
		if s, ok := m.Sessions[key]; ok {
			at(s).Lines += count
		} else if s, ok := m.Prompts[key]; ok {
			at(s).Lines += count
		} else if strings.HasPrefix(key, "h_") {
			n.Human += count
		} else {
			n.Unknown += count
		}
	}
	for _, key := range slices.Sorted(maps.Keys(agents)) {
		n.Agents = append(n.Agents, *agents[key])
	}
	return n
}

// countLines counts "1-10,15-20,7". What is no span counts nothing.
func countLines(spans string) int {
	n := 0
	for s := range strings.SplitSeq(strings.TrimSpace(spans), ",") {
		from, to, isSpan := strings.Cut(s, "-")
		a, err := strconv.Atoi(from)
		if err != nil || a < 0 {
			continue
		}
		b := a
		if isSpan {
			if b, err = strconv.Atoi(to); err != nil || b < a || b-a > 1<<24 {
				continue
			}
		}
		n = min(n+b-a+1, 1<<30)
	}
	return n
}

// note takes lines on record as the strongest evidence that there is; a session without a line in the commit shows only
// that a tool was open.
func (v *verdict) note(s string) {
	if strings.TrimSpace(s) == "" {
		return
	}
	n, err := ParseNote(s)
	f := finding{Evidence: providers.Evidence{Role: roleSession, Strength: recorded, Source: SourceNote}}
	if err != nil {
		f.Caveat, f.Raw = "the note cannot be read: "+err.Error(), s
		v.add(f)
		return
	}
	for _, a := range n.Agents {
		if v.rules.testTools[strings.ToLower(a.Tool)] {
			continue
		}
		g := f
		g.Tool, g.Model = v.rules.toolOr(a.Tool, nameOr(a.Tool, unnamedTool)), knownModel(a.Model)
		g.Raw = fmt.Sprintf("%s: %d lines recorded", g.Tool, a.Lines)
		if a.Lines > 0 {
			g.Role, g.state = roleAssisted, providers.AssistanceAssisted
		} else {
			g.state, g.Caveat = providers.AssistancePossible, "session with 0 lines in this commit"
			v.zeroOnly = true
		}
		v.add(g)
	}
	if n.Unknown > 0 {
		f.state, f.Tool = providers.AssistancePossible, unnamedTool
		f.Raw, f.Caveat = fmt.Sprintf("%d lines recorded", n.Unknown), "the note does not say whose lines they are"
		v.add(f)
	}
	if n.Human > 0 {
		f.state, f.Tool, f.Role = "", "", roleAuthored
		f.Raw, f.Caveat = fmt.Sprintf("%d lines recorded as a person's", n.Human), ""
		v.add(f)
	}
}

func knownModel(m string) string {
	switch strings.ToLower(m) {
	case "unknown", "default", "<synthetic>":
		return ""
	}
	return m
}
