package gameday_test

import (
	"context"
	"image"
	"image/color"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/backout-dev/backout/rollback/gameday"
)

// browser finds a Chromium, without which a page cannot be looked at as people will.
func browser(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	if os.Getenv("CI") == "true" {
		t.Fatal("no Chromium is on PATH: CI must have it")
	}
	t.Skip("SKIPPED: no Chromium is on PATH, so the report was not looked at in a browser")
	return ""
}

// render opens a page in a browser with a profile of its own and gives what the browser wrote.
func render(t *testing.T, file string, args ...string) string {
	t.Helper()
	profile, err := os.MkdirTemp("", "backout-browser-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(profile) }) // a child of the browser may still be writing there
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	args = append([]string{
		"--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update",
		"--disable-sync", "--hide-scrollbars", "--user-data-dir=" + profile,
	}, append(args, "file://"+file)...)
	cmd := exec.CommandContext(ctx, browser(t), args...)
	cmd.WaitDelay = time.Second
	cmd.Env = append(os.Environ(), "HOME="+profile)
	var errOut strings.Builder
	cmd.Stderr = &errOut
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("the browser: %v\n%s", err, errOut.String())
	}
	return string(out)
}

func written(t *testing.T, r *gameday.Report) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "report.html")
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.HTML(f); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return file
}

// seen is how often a colour is in a picture, nearly.
func seen(img image.Image, want color.RGBA) (n int) {
	b := img.Bounds()
	near := func(a uint32, b uint8) bool { d := int(a>>8) - int(b); return d > -6 && d < 6 }
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			if r, g, bl, _ := img.At(x, y).RGBA(); near(r, want.R) && near(g, want.G) && near(bl, want.B) {
				n++
			}
		}
	}
	return n
}

// A real browser draws the picture, light and dark.
func TestTheReportInABrowser(t *testing.T) {
	browser(t)
	r := reportOf(played(t), playedRuns())
	file := written(t, &r)
	for _, c := range []struct {
		name, size, scheme string
		page, fault, run   color.RGBA
	}{
		{"light", "1100,900", "1", color.RGBA{0xff, 0xff, 0xff, 0}, color.RGBA{0xb4, 0x44, 0x2c, 0}, color.RGBA{0x2f, 0x6f, 0xb0, 0}},
		{"dark", "1100,900", "0", color.RGBA{0x14, 0x19, 0x1f, 0}, color.RGBA{0xe5, 0x73, 0x5a, 0}, color.RGBA{0x6a, 0xa7, 0xe3, 0}},
	} {
		t.Run(c.name, func(t *testing.T) {
			picture := filepath.Join(t.TempDir(), "page.png")
			render(t, file, "--window-size="+c.size, "--blink-settings=preferredColorScheme="+c.scheme, "--screenshot="+picture)
			f, err := os.Open(picture)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			img, err := png.Decode(f)
			if err != nil {
				t.Fatal(err)
			}
			all := img.Bounds().Dx() * img.Bounds().Dy()
			if n := seen(img, c.page); n < all/3 {
				t.Errorf("the page's own colour covers %d of %d", n, all)
			}
			if fault, run := seen(img, c.fault), seen(img, c.run); fault < 2000 || run < 300 {
				t.Errorf("the fault covers %d, the runs %d: are they drawn?", fault, run)
			}
		})
	}
}

// Nothing that somebody wrote into a name acts in a real browser.
func TestNothingActsInABrowser(t *testing.T) {
	browser(t)
	r := hostile(t)
	dom := render(t, written(t, &r), "--dump-dom")
	if strings.Contains(dom, "<title>owned") || strings.Contains(dom, "<img") || strings.Contains(dom, "<script") || !strings.Contains(dom, "</svg>") {
		t.Errorf("the page acts:\n%.2000s", dom)
	}
	if strings.Count(dom, "<svg") != 1 {
		t.Error("the picture fell apart")
	}
}
