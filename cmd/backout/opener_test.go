package main

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// desk is an app whose environment is env, with an xdg-open that does what script says.
func desk(t *testing.T, script string, env ...string) *app {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("a script stands for the opener")
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "xdg-open"), []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
	return newApp(os.Stdin, nil, nil, env)
}

func TestLinkIsOpenedAsOneArgument(t *testing.T) {
	said := filepath.Join(t.TempDir(), "said")
	open := desk(t, `printf '%s\n' "$#" "$1" > `+said, "DISPLAY=:0").opener("linux")
	if open == nil {
		t.Fatal("there is a display and an opener")
	}
	const link = "https://git.example/pr/7?a=1&b=$(id);%20x"
	if err := open(t.Context(), link); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(said); err != nil || string(got) != "1\n"+link+"\n" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestWhatIsNoWebAddressIsNotOpened(t *testing.T) {
	said := filepath.Join(t.TempDir(), "said")
	open := desk(t, "touch "+said, "WAYLAND_DISPLAY=wayland-0").opener("linux")
	for _, link := range []string{"file:///etc/passwd", "javascript:alert(1)", "-version", "/bin/sh", "https:///nowhere", "ssh://host/x", ""} {
		if err := open(t.Context(), link); err == nil {
			t.Errorf("%q was opened", link)
		}
	}
	if _, err := os.Stat(said); err == nil {
		t.Error("the opener was started")
	}
}

func TestOpenerThatGivesUpIsReported(t *testing.T) {
	open := desk(t, "exit 3", "DISPLAY=:0").opener("linux")
	if err := open(t.Context(), "https://git.example/pr/7"); err == nil || !strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("%v", err)
	}
}

func TestNothingIsOpenedWhereNobodySits(t *testing.T) {
	for name, env := range map[string][]string{
		"no display": nil, "over SSH": {"DISPLAY=localhost:10.0", "SSH_CONNECTION=10.0.0.1 22 10.0.0.2 22"}, "SSH with a terminal": {"DISPLAY=:0", "SSH_TTY=/dev/pts/1"},
	} {
		if desk(t, "exit 0", env...).opener("linux") != nil {
			t.Errorf("%s: links would open", name)
		}
	}
}
