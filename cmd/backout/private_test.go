package main

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// A state directory that others can read is tightened where it is backout's alone, and told of where it is not.
func TestTheStateDirectoryIsMadePrivate(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("rights are kept in another way there")
	}
	cases := map[string]struct {
		holds string
		after os.FileMode
		says  string
	}{
		"empty":          {after: 0o700},
		"backout's":      {holds: "backout.db-wal", after: 0o700},
		"somebody's too": {holds: "index.html", after: 0o755, says: "not only backout's"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			dir := readable(t, c.holds)
			err := private(dir)
			if (c.says == "") != (err == nil) || (err != nil && (!strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), "chmod 700 "+dir))) {
				t.Errorf("it says %v, want %q", err, c.says)
			}
			if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != c.after {
				t.Errorf("it is %v, %v; want %v", info.Mode().Perm(), err, c.after)
			}
			f := directory("state directory", dir)
			if (f.State == "ok") != (c.says == "") || (c.says != "" && f.State != "warn") {
				t.Errorf("the doctor says %+v", f)
			}
		})
	}
}

// readable makes a directory that others can read, with a file in it where one is named.
func readable(t *testing.T, holds string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "state")
	err := os.Mkdir(dir, 0o700)
	if err == nil {
		err = os.Chmod(dir, 0o755) // whatever the umask is
	}
	if err == nil && holds != "" {
		err = os.WriteFile(filepath.Join(dir, holds), nil, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	return dir
}
