// Package attribution judges from a commit's own text, its notes and known bot identities what is recorded, declared or
// hinted about AI assistance. It is pure: the same commit and rules give the same verdict. It can never show that no AI
// was used, so it never says "human": the lowest verdict is that nothing was found in the sources that were looked at.
package attribution

import (
	"time"

	"github.com/backout-dev/backout/providers"
)

// Commit is what a verdict may look at. Every field is untrusted text; an empty field was not looked at, except as
// NoteLooked says.
type Commit struct {
	AuthorName, AuthorEmail       string
	CommitterName, CommitterEmail string

	Message string
	When    time.Time // decides which identities were valid; zero: unknown

	Note        string   // the commit's git-ai note (refs/notes/ai), "" for none
	NoteLooked  bool     // the notes were looked at, even if there was none
	Checkpoints []string // metadata (JSON) of the checkpoints that the message links to
	Branch      string   // the branch it was merged from, where known
	Merge       bool     // it joins histories, so its author is who merged and not who wrote
}

// Judge is [Rules.Judge] with the built-in rules.
func Judge(in Commit) providers.Assistance { return Default().Judge(in) }

// Judge gives the verdict on one commit. It is safe for use by several goroutines and its work is bounded whatever the
// size of the message or note.
func (r *Rules) Judge(in Commit) providers.Assistance {
	v := &verdict{rules: r, when: in.When}
	text := newText(in.Message)
	merge := in.Merge || text.merge

	v.author(in, merge)
	v.committer(in)
	v.message(text)
	v.branch(in.Branch, text)
	v.note(in.Note)
	v.checkpoints(in.Checkpoints)

	return v.result(checked(in))
}

func checked(in Commit) []string {
	var list []string
	add := func(looked bool, source string) {
		if looked {
			list = append(list, source)
		}
	}
	add(in.AuthorName+in.AuthorEmail != "", "commit.author")
	add(in.CommitterName+in.CommitterEmail != "", "commit.committer")
	add(in.Message != "", "commit.message")
	add(in.Branch != "", "commit.branch")
	add(in.Note != "" || in.NoteLooked, SourceNote)
	add(len(in.Checkpoints) > 0, sourceCheckpoint)
	return list
}
