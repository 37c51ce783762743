package faults

import (
	"errors"
	"os"
	"syscall"
	"testing"
)

// mount puts a small file system at a directory of the world. Only root may: elsewhere the test skips, but not in CI.
func (w *world) mount(dir, source, kind string, flags uintptr, data string) {
	w.t.Helper()
	w.must(os.MkdirAll(w.path(dir), 0o755))
	if err := syscall.Mount(source, w.path(dir), kind, flags, data); err != nil {
		if os.Getenv("CI") == "true" {
			w.t.Fatalf("no file system may be mounted here: %v", err)
		}
		w.t.Skipf("SKIPPED, no file system may be mounted here (%v): a full disk is only tried with a bounded database, beside the store", err)
	}
	w.t.Cleanup(func() { _ = syscall.Unmount(w.path(dir), syscall.MNT_DETACH) })
}

// fill writes until no byte more goes in, and gives what makes room again.
func (w *world) fill(dir string) (free func()) {
	w.t.Helper()
	f, err := os.Create(w.path(dir, "filler"))
	w.must(err)
	for block := make([]byte, 64<<10); len(block) > 0; {
		if _, err = f.Write(block); err != nil {
			block = block[:len(block)/2]
		}
	}
	if !errors.Is(err, syscall.ENOSPC) {
		w.t.Fatalf("the disk is not full: %v", err)
	}
	w.must(f.Close())
	return func() { w.must(os.Remove(w.path(dir, "filler"))) }
}

func TestAFullDisk(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.mount("state", "tmpfs", "tmpfs", 0, "size=2m,mode=700")
	w.configure("  releases: {units: [" + w.releases("shop") + ", " + w.releases("orders") + "]}\n")
	w.run("note", "before it broke").ends(fine)
	w.rollBack("orders", "--to", "r1").ends(fine)
	free := w.fill("state")
	w.looks("no room left to write the database: free some space, nothing was lost")
	w.run("runs").ends(fine).shows("RUN-0001 .*succeeded")
	w.run("ledger", "verify").ends(fine).shows("^8 entries, the chain holds")
	free()
	w.readable()
	w.run("note", "after").ends(fine)
	w.rollBack("shop", "--to", "r1").ends(fine).shows("succeeded")
}

// The first start on a full disk still looks.
func TestAFullDiskFromTheBeginning(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.mount("state", "tmpfs", "tmpfs", 0, "size=128k,mode=700")
	free := w.fill("state")
	w.configure("  releases: {units: [" + w.releases("shop") + "]}\n")
	w.run("timeline").ends(fine).says("no room left to write the database").shows("shop +release r2 went live")
	w.run("runs").ends(failed).says("the record cannot be read: .*no room left")
	free()
	w.must(syscall.Mount("tmpfs", w.path("state"), "tmpfs", syscall.MS_REMOUNT, "size=4m,mode=700"))
	w.rollBack("shop", "--to", "r1").ends(fine).shows("succeeded")
}

// A disk that fills up while a run goes on: the run is reported as interrupted, and finished once there is room.
func TestADiskThatFillsUpDuringARun(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.mount("state", "tmpfs", "tmpfs", 0, "size=2m,mode=700")
	w.configure("  releases: {units: [" + w.releases("shop") + "]}\n")
	w.hold("2s")
	w.rollBack("shop", "--to", "r1", "--detach").ends(fine)
	w.until("verifying", func() bool { return w.contains("runs", "verifying") })
	free := w.fill("state")
	w.until("over or given up", func() bool { return !w.busy("RUN-0001") })
	w.run("runs").ends(fine).shows("RUN-0001 .*interrupted: backout runs resume RUN-0001")
	free()
	w.run("runs", "resume").ends(fine).shows("succeeded")
	w.run("runs").ends(fine).shows("RUN-0001 .*succeeded")
	w.run("ledger", "verify").ends(fine).shows("the chain holds")
	if got := w.serves("shop"); got != "r1" {
		t.Errorf("shop serves %s", got)
	}
}

func TestAReadOnlyFileSystem(t *testing.T) {
	t.Parallel()
	w := recorded(t)
	state := w.path("state")
	w.mount("state", state, "", syscall.MS_BIND, "")
	w.must(syscall.Mount("", state, "", syscall.MS_BIND|syscall.MS_REMOUNT|syscall.MS_RDONLY, ""))
	w.looks("the database cannot be written: check the rights of the file and its directory, .*read-only file system")
	w.run("runs").ends(fine).shows("RUN-0001 .*succeeded")
	w.run("ledger", "verify").ends(fine).shows("the chain holds")
	w.must(syscall.Unmount(state, 0))
	w.readable()
}
