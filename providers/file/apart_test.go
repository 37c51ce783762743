package file_test

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/backout-dev/backout/providers"
)

// Those who read files for the first time and those who look whether they are still the same do not wait for each other.
func TestManyReadWholeFilesAtOnce(t *testing.T) {
	for range 20 {
		dir := t.TempDir()
		for i := range 20 {
			text := fmt.Sprintf(`{"format":"backout.incident/v1","id":"INC-%[1]d","title":"x","alerts":[{"id":"a%[1]d","provider":"probe","name":"fails","service":"carts","starts_at":"2026-03-01T12:01:00Z"}]}`, i)
			if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%02d.json", i)), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		p := open(t, dir, true, "*.json")
		var all sync.WaitGroup
		for range 6 {
			all.Go(func() {
				n := 0
				for _, err := range p.Alerts(t.Context(), providers.Window{Until: time.Now()}) {
					if err != nil {
						t.Error(err)
						return
					}
					n++
				}
				if n != 20 {
					t.Errorf("%d alerts of 20 files", n)
				}
			})
		}
		all.Wait()
	}
}
