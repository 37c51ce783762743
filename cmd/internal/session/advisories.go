package session

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/rollback"
)

// maxFeed is the most that one file of advisories may hold.
const maxFeed = 64 << 20

// feeds are the files of advisories as they were read last; each is read again only when it was written.
type feeds struct {
	mu    sync.Mutex
	files map[string]*feed
}

type feed struct {
	size      int64
	wrote     time.Time
	list      []rollback.Advisory
	exploited []string // ids that are known to be exploited, wherever they are described
	aliases   map[int][]string
	err       error
}

// advisories reads what the configuration names. A file that cannot be read is told, and what it would say is not known.
func (s *Session) advisories() (out []rollback.Advisory, unread []string) {
	named := s.opts.Config.Security.Advisories
	if len(named) == 0 {
		return nil, nil
	}
	dir := s.opts.Dir
	if files := s.opts.Config.Files; len(files) > 0 {
		dir = filepath.Dir(files[0])
	}
	paths, void, err := providers.Paths(dir, named)
	if err != nil {
		return nil, []string{"advisories: " + err.Error()}
	}
	for _, pattern := range void {
		unread = append(unread, "advisories: nothing matches "+pattern)
	}
	s.feeds.mu.Lock()
	defer s.feeds.mu.Unlock()
	if s.feeds.files == nil {
		s.feeds.files = map[string]*feed{}
	}
	exploited := map[string]bool{}
	for _, path := range paths {
		f := s.feeds.read(path)
		if f.err != nil {
			unread = append(unread, fmt.Sprintf("advisories: %v", f.err))
		}
		for _, id := range f.exploited {
			exploited[id] = true
		}
	}
	for _, path := range paths {
		f := s.feeds.files[path]
		for i, a := range f.list {
			a.Exploited = a.Exploited || exploited[a.ID]
			for _, alias := range f.aliases[i] {
				a.Exploited = a.Exploited || exploited[alias]
			}
			out = append(out, a)
		}
	}
	return out, unread
}

func (s *feeds) read(path string) *feed {
	at, err := os.Stat(path)
	if err != nil {
		s.files[path] = &feed{err: fmt.Errorf("read: %w", err)}
		return s.files[path]
	}
	if f := s.files[path]; f != nil && f.err == nil && f.size == at.Size() && f.wrote.Equal(at.ModTime()) {
		return f
	}
	f := &feed{size: at.Size(), wrote: at.ModTime()}
	if f.err = f.load(path); f.err != nil {
		f.err = fmt.Errorf("read %s: %w", path, f.err)
	}
	s.files[path] = f
	return f
}

func (f *feed) load(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, maxFeed+1))
	if err != nil {
		return err
	}
	if len(data) > maxFeed {
		return fmt.Errorf("it is larger than %d MiB", maxFeed>>20)
	}
	var one entry
	var all []entry
	asJSON := json.Valid(data)
	switch {
	case asJSON && json.Unmarshal(data, &all) == nil:
	case asJSON:
		if err := json.Unmarshal(data, &one); err != nil {
			return err
		}
		all = []entry{one}
	default:
		if err := yaml.Unmarshal(data, &all); err != nil {
			return fmt.Errorf("it is neither JSON nor a YAML list: %w", err)
		}
	}
	f.aliases = map[int][]string{}
	for i := range all {
		if err := f.take(&all[i], filepath.Base(path)); err != nil {
			return fmt.Errorf("entry %d: %w", i+1, err)
		}
	}
	return nil
}

// entry is one entry of a feed: of OSV, of the catalogue of exploited vulnerabilities of CISA as a whole, or of a list of one's own.
type entry struct {
	ID        string    `json:"id" yaml:"id"`
	Exploited bool      `json:"exploited" yaml:"exploited"`
	Digest    string    `json:"digest" yaml:"digest"`
	Package   string    `json:"package" yaml:"package"`
	Versions  string    `json:"versions" yaml:"versions"`
	Aliases   []string  `json:"aliases" yaml:"aliases"`
	Modified  time.Time `json:"modified" yaml:"-"`
	Withdrawn time.Time `json:"withdrawn" yaml:"-"`

	Affected []struct {
		Package struct {
			Name string `json:"name"`
		} `json:"package"`
		Ranges []struct {
			Type   string              `json:"type"`
			Events []map[string]string `json:"events"`
		} `json:"ranges"`
		Versions []string `json:"versions"`
	} `json:"affected" yaml:"-"`

	Vulnerabilities []struct {
		CVE string `json:"cveID"`
	} `json:"vulnerabilities" yaml:"-"`
	Released time.Time `json:"dateReleased" yaml:"-"`
}

// take notes what an entry says.
func (f *feed) take(e *entry, source string) error {
	if len(e.Vulnerabilities) > 0 || !e.Released.IsZero() {
		for _, v := range e.Vulnerabilities {
			f.exploited = append(f.exploited, v.CVE)
		}
		return nil
	}
	if e.ID == "" {
		return fmt.Errorf("it has no id, and is neither OSV, nor the catalogue of CISA, nor a list of {id, digest or package, versions}")
	}
	if !e.Withdrawn.IsZero() {
		return nil
	}
	add := func(a rollback.Advisory) {
		a.ID, a.Exploited, a.Source, a.At = providers.Clean(e.ID), e.Exploited, "advisories "+source, f.wrote.UTC()
		f.aliases[len(f.list)] = e.Aliases
		f.list = append(f.list, a)
	}
	for _, x := range e.Affected {
		a := rollback.Advisory{Package: x.Package.Name, Exact: x.Versions}
		var ranges []string
		for _, r := range x.Ranges {
			if r.Type != "GIT" {
				ranges = append(ranges, spans(r.Events)...)
			}
		}
		a.Versions = strings.Join(ranges, " || ")
		if a.Package == "" || a.Versions == "" && len(a.Exact) == 0 {
			continue // it names commits only, which say nothing of what runs
		}
		add(a)
	}
	switch {
	case len(e.Affected) > 0:
	case e.Digest == "" && e.Package == "":
		return fmt.Errorf("%s names neither a digest nor a package", e.ID)
	default:
		add(rollback.Advisory{Digest: e.Digest, Package: e.Package, Versions: e.Versions})
	}
	return nil
}

// spans are the ranges of versions between the events of OSV, which stand in their order.
func spans(events []map[string]string) []string {
	var out []string
	from := ""
	for _, e := range events {
		for kind, v := range e {
			at := map[string]string{"fixed": "< " + v, "last_affected": "<= " + v}[kind]
			switch {
			case kind == "introduced":
				from = ">= " + v
				if v == "0" {
					from = ">= 0.0.0-0"
				}
			case at != "" && from != "":
				out, from = append(out, from+", "+at), ""
			}
		}
	}
	if from != "" {
		out = append(out, from)
	}
	return out
}
