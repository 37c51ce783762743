package main

import (
	"bufio"
	"fmt"
	"math/rand"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// feeds are files of feed lines, written once for all measurements that read them.
type feeds struct {
	settings
	once  sync.Once
	dir   string
	bytes int64
	err   error
}

// write writes the files where nobody has, and gives their directory.
func (f *feeds) write() (string, error) {
	f.once.Do(func() {
		if f.dir, f.err = os.MkdirTemp("", "backout-feeds-*"); f.err == nil {
			f.bytes, f.err = generate(f.dir, f.events, f.files)
		}
	})
	return f.dir, f.err
}

func (f *feeds) remove() { _ = os.RemoveAll(f.dir) } // a temporary directory: what stays is swept by the system

// generate writes n events over k files, each sorted by time. The seed is fixed, so that two runs are of the same events.
// Every line also has the time as "ts", a field of no meaning to backout: other tools want one name for it.
func generate(dir string, n, k int) (int64, error) {
	kinds := []string{"deploy", "deploy", "flag", "config", "migration", "infra"}
	services := []string{"checkout", "cart", "pay", "search", "auth", "mail", "ledger", "web"}
	sources := []string{"k8s", "helm", "argo", "alertmanager", "forge", "flags", "db"}
	envs := []string{"prod", "staging"}
	r := rand.New(rand.NewSource(42))
	files := make([]*os.File, k)
	writers := make([]*bufio.Writer, k)
	for i := range files {
		f, err := os.Create(filepath.Join(dir, fmt.Sprintf("events-%d.jsonl", i)))
		if err != nil {
			return 0, err
		}
		defer f.Close()
		files[i], writers[i] = f, bufio.NewWriterSize(f, 1<<20)
	}
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	total := int64(0)
	for i := range n {
		at = at.Add(time.Duration(r.Intn(40_000)+1) * time.Millisecond / 10)
		ts, service, env := at.Format("2006-01-02T15:04:05.000Z"), services[r.Intn(len(services))], envs[r.Intn(2)]
		source, kind := sources[r.Intn(len(sources))], kinds[r.Intn(len(kinds))]
		var line string
		switch {
		case r.Intn(4) == 0:
			ends := at.Add(time.Duration(r.Intn(600)+1) * time.Second).Format("2006-01-02T15:04:05.000Z")
			line = fmt.Sprintf(`{"type":"alert","ts":"%s","id":"ev-%07d","provider":"%s","name":"HighErrors","service":"%s","environment":"%s","severity":"warning","summary":"5xx ratio above 2%% for %s","starts_at":"%s","ends_at":"%s"}`,
				ts, i, source, service, env, service, ts, ends)
		case kind == "deploy":
			line = fmt.Sprintf(`{"type":"change","ts":"%s","id":"ev-%07d","provider":"%s","kind":"%s","service":"%s","environment":"%s","title":"release recorded for %s","author":{"name":"user%02d"},"effective_from":"%s","to":"v%d.%d.%d","commit":"%016x"}`,
				ts, i, source, kind, service, env, service, r.Intn(40), ts, 1+r.Intn(3), r.Intn(50), r.Intn(10), r.Uint64())
		default:
			line = fmt.Sprintf(`{"type":"change","ts":"%s","id":"ev-%07d","provider":"%s","kind":"%s","service":"%s","environment":"%s","title":"%s changed for %s","author":{"name":"user%02d"},"effective_from":"%s"}`,
				ts, i, source, kind, service, env, kind, service, r.Intn(40), ts)
		}
		w := writers[r.Intn(k)]
		if _, err := w.WriteString(line + "\n"); err != nil {
			return 0, err
		}
		total += int64(len(line)) + 1
	}
	for _, w := range writers {
		if err := w.Flush(); err != nil {
			return 0, err
		}
	}
	return total, nil
}
