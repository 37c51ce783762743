package main

import (
	"archive/tar"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"time"

	"github.com/backout-dev/backout/timeline/export"
)

// maxBundledLog is how much of the log's end goes into a bundle.
const maxBundledLog = 256 << 10

// writeBundle writes the support bundle. Everything in it went through the same redaction as an export.
func (a *app) writeBundle(path string, findings []finding) (err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("write bundle: %w", err)
	}
	zip := gzip.NewWriter(f)
	pack := tar.NewWriter(zip)
	defer func() { err = errors.Join(err, pack.Close(), zip.Close(), f.Close()) }()
	add := func(name string, data []byte) error {
		data = []byte(export.Redact(string(data)))
		if err := pack.WriteHeader(&tar.Header{Name: "backout-support/" + name, Mode: 0o600, Size: int64(len(data)), ModTime: a.now().Truncate(time.Second)}); err != nil {
			return fmt.Errorf("write bundle: %w", err)
		}
		_, err := pack.Write(data)
		return err
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		if err := add("build.txt", []byte(info.String())); err != nil {
			return err
		}
	}
	text, err := json.MarshalIndent(findings, "", "  ")
	if err != nil {
		return fmt.Errorf("write bundle: %w", err)
	}
	if err := add("findings.json", text); err != nil {
		return err
	}
	st, err := a.load()
	if err != nil {
		return add("configuration-error.txt", []byte(err.Error()))
	}
	if text, err = json.MarshalIndent(shown(st), "", "  "); err != nil {
		return fmt.Errorf("write bundle: %w", err)
	}
	return errors.Join(add("settings.json", text), add("backout.log", endOf(logPath(st.stateDir))))
}

// endOf reads the end of a file; what cannot be read is said in its place.
func endOf(path string) []byte {
	f, err := os.Open(path)
	if err != nil {
		return []byte(err.Error())
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.Size() > maxBundledLog {
		_, _ = f.Seek(-maxBundledLog, io.SeekEnd)
	}
	data, err := io.ReadAll(io.LimitReader(f, maxBundledLog))
	if err != nil {
		return []byte(err.Error())
	}
	return data
}
