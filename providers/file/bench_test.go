package file_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/backout-dev/backout/providers"
)

// BenchmarkRows indexes a feed of 200,000 lines.
func BenchmarkRows(b *testing.B) {
	dir := b.TempDir()
	const n = 200_000
	var text strings.Builder
	for i := range n {
		at := noon.Add(time.Duration(i) * time.Second).Format(time.RFC3339)
		fmt.Fprintf(&text, `{"type":"change","id":"ev-%07d","provider":"argo","kind":"deploy","service":"service-%d","environment":"prod","title":"release recorded","author":{"name":"user%02d"},"effective_from":"%s","to":"v1.%d.0"}`+"\n", i, i%8, i%40, at, i%50)
	}
	path := filepath.Join(dir, "feed.jsonl")
	if err := os.WriteFile(path, []byte(text.String()), 0o600); err != nil {
		b.Fatal(err)
	}
	p := open(b, dir, false, path)
	b.SetBytes(int64(text.Len()))
	b.ReportAllocs()
	for b.Loop() {
		got := 0
		for rows, err := range p.Rows(b.Context(), providers.Window{}) {
			if err != nil {
				b.Fatal(err)
			}
			got += len(rows)
		}
		if got != n {
			b.Fatalf("%d rows", got)
		}
	}
	b.ReportMetric(float64(n*b.N)/b.Elapsed().Seconds(), "rows/s")
}
