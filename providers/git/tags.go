package git

import (
	"bufio"
	"context"
	"errors"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/backout-dev/backout/providers"
)

const tagPrefix = "tag/"

// tag is one tag with the time at which it was made; of a lightweight tag that is its commit's.
type tag struct {
	name, object, commit, tagger, subject string
	at                                    time.Time
}

const tagFormat = "--format=%(refname:strip=2)%00%(objectname)%00%(objecttype)%00%(*objectname)%00%(*objecttype)%00%(creatordate:unix)%00%(taggername)%00%(contents:subject)"

// eachTag goes over the tags while git lists them.
func (r *repo) eachTag(ctx context.Context, each func(tag) error) error {
	return r.stream(ctx, nil, func(in *bufio.Reader) error {
		for {
			line, err := in.ReadString('\n')
			if errors.Is(err, io.EOF) {
				return nil
			}
			if err != nil {
				return err
			}
			f := strings.Split(strings.TrimSuffix(line, "\n"), "\x00")
			if len(f) != 8 {
				continue
			}
			t := tag{name: f[0], object: f[1], tagger: f[6], subject: f[7]}
			switch {
			case f[2] == "commit":
				t.commit = f[1]
			case f[4] == "commit":
				t.commit = f[3]
			}
			if seconds, err := strconv.ParseInt(f[5], 10, 64); err == nil {
				t.at = time.Unix(seconds, 0).UTC()
			}
			if err := each(t); err != nil {
				return err
			}
		}
	}, "for-each-ref", tagFormat, "refs/tags")
}

func (p *Provider) tagChange(r *repo, t tag) providers.Change {
	c := providers.Change{
		ID: tagPrefix + t.name, Provider: p.env.Name, Kind: providers.Kind(p.set.TagKind), Service: p.tagService(r, t.name),
		Environment: p.set.Environment, Title: "tag " + t.name,
		Author:   providers.Author{Name: t.tagger},
		LandedAt: t.at, LandedApproximate: true,
		Commit: t.commit, To: abbreviated(t.commit),
	}
	if t.tagger != "" && t.subject != "" && t.subject != t.name {
		c.Title += ": " + t.subject
	}
	c.URL = p.Link(c.ID)
	providers.CleanChange(&c)
	return c
}

// tagService knows tags that begin with a service's name, as repositories of many services have them: pricing/v1.2.3.
func (p *Provider) tagService(r *repo, name string) string {
	for _, rule := range p.set.Services {
		for _, between := range []string{"/", "-v", "@", "_v"} {
			if strings.HasPrefix(name, rule.Service+between) {
				return rule.Service
			}
		}
	}
	return p.serviceOf(r)
}
