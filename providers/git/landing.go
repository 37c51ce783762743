package git

import (
	"regexp"
	"slices"
	"strings"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/attribution"
)

var (
	mergedRequest = regexp.MustCompile(`^Merge pull request (#\d+) (?:from|in) `)
	mergedBranch  = regexp.MustCompile(`^(?:Merge (?:remote-tracking )?branch|Merged in )`)
	squashed      = regexp.MustCompile(`\((#\d+|!\d+|pull request #\d+)\)$`)
	seeRequest    = regexp.MustCompile(`(?m)^See merge request \S*?(!\d+)\s*$`)
	revertsCommit = regexp.MustCompile(`(?i)\bthis reverts (?:commits? |merge commit )?((?:[0-9a-f]{7,64}(?:,? (?:and )?)?)+)`)
	revertsNumber = regexp.MustCompile(`(?mi)^Reverts (?:[\w.-]+/[\w.-]+)?(#\d+|!\d+)\s*$`)
	hashes        = regexp.MustCompile(`[0-9a-f]{7,64}`)
)

const shortHash = 10

// change makes the change of a landing.
func (p *Provider) change(r *repo, l *landing) providers.Change {
	title, set := headline(l.commit.Message)
	c := providers.Change{
		ID: l.step.hash, Provider: p.env.Name, Kind: p.kindOf(l), Service: l.touched.service(p.serviceOf(r)),
		Environment: p.set.Environment, Title: title, ChangeSet: set,
		Paths: l.touched.paths, Files: l.touched.files, Lines: l.touched.lines,
		LandedAt: l.at, LandedApproximate: true,
		Commit: l.step.hash, To: abbreviated(l.step.hash),
	}
	if len(l.step.parents) > 0 {
		c.From = abbreviated(l.step.parents[0])
	}
	own := p.rules.Judge(l.commit)
	c.Author = providers.Author{Name: l.commit.AuthorName, Kind: authorKind(own.State)}
	if l.side.author != "" {
		c.Author = providers.Author{Name: l.side.author, Kind: l.side.agent}
	}
	c.Assistance = attribution.Union(own, l.side.verdicts, l.side.unread)
	c.Reverts = revertsOf(l)
	c.URL = p.Link(c.ID)
	providers.CleanChange(&c)
	return c
}

// authorKind says what is known of an author: nothing about a commit can show that its author is a person.
func authorKind(s providers.AssistanceState) string {
	switch s {
	case providers.AssistanceAgent:
		return "agent"
	case providers.AssistanceAutomation:
		return "automation"
	default:
		return ""
	}
}

func (p *Provider) kindOf(l *landing) providers.Kind {
	if p.set.Kind != "" {
		return providers.Kind(p.set.Kind)
	}
	return l.touched.kind()
}

func (p *Provider) serviceOf(r *repo) string {
	if p.set.Service != "" {
		return p.set.Service
	}
	return r.name
}

// headline is the title of a change and the request that it came by: of a merge the request's title, else the subject.
func headline(message string) (title, set string) {
	subject, body, _ := strings.Cut(strings.TrimLeft(message, "\n\r \t"), "\n")
	subject = strings.TrimSpace(subject)
	body = strings.TrimLeft(body, "\n\r \t")
	first, _, _ := strings.Cut(body, "\n")
	first = strings.TrimSpace(first)
	switch {
	case mergedRequest.MatchString(subject):
		set = mergedRequest.FindStringSubmatch(subject)[1]
	case mergedBranch.MatchString(subject):
		if m := seeRequest.FindStringSubmatch(tail(body, 4<<10)); m != nil {
			set = m[1]
		} else if m := squashed.FindStringSubmatch(subject); m != nil {
			set = strings.TrimPrefix(m[1], "pull request ")
		}
		if set == "" || seeRequest.MatchString(first) {
			first = "" // what follows is no title
		}
	default:
		if m := squashed.FindStringSubmatch(tail(subject, 200)); m != nil {
			set = strings.TrimPrefix(m[1], "pull request ")
		}
		return subject, set
	}
	if first == "" {
		return subject, set
	}
	return first, set
}

// revertsOf lists what a landing takes back: commits by hash; a request by its number only where no hash is known.
func revertsOf(l *landing) []string {
	list := append(revertsIn(l.commit.Message), l.side.reverts...)
	if len(list) == 0 {
		for _, m := range revertsNumber.FindAllStringSubmatch(l.commit.Message, 20) {
			list = append(list, m[1])
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// revertsIn finds "This reverts commit ..." outside of quotations.
func revertsIn(message string) []string {
	if !strings.Contains(message, "everts ") {
		return nil
	}
	var list []string
	for _, at := range revertsCommit.FindAllStringSubmatchIndex(message, 50) {
		line := message[strings.LastIndexByte(message[:at[0]], '\n')+1 : at[0]]
		if strings.HasPrefix(strings.TrimSpace(line), ">") || strings.HasPrefix(line, "    ") {
			continue
		}
		list = append(list, hashes.FindAllString(message[at[2]:at[3]], 50)...)
	}
	return list
}

func abbreviated(hash string) string { return hash[:min(len(hash), shortHash)] }

func tail(s string, n int) string { return s[max(0, len(s)-n):] }
