package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/backout-dev/backout/rollback/ledger"
)

const (
	walHeader = 32
	walFrame  = 24 + 4096
)

// A process that writes is killed with SIGKILL at a random instant. Then what it left of its write-ahead log may be torn: behind
// the last commit, as a power cut tears it, or before, as a disk does that lost what it said was written. What was
// acknowledged is there, and the chain verifies; or, where the disk lost it, whoever holds the head that was acknowledged is
// told. SEED repeats the choices, not the machine's timing.
func TestTornWrites(t *testing.T) {
	t.Parallel()
	rounds := int64(50)
	if os.Getenv("CI") == "true" {
		rounds = 1000
	}
	if info, ok := debug.ReadBuildInfo(); ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"}) {
		rounds = 50 // a process that is to be killed takes long to start with the race detector
	}
	seed := uint64(time.Now().UnixNano())
	if s := os.Getenv("SEED"); s != "" {
		if _, err := fmt.Sscan(s, &seed); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("seed %d", seed)
	c := &tornCount{}
	var all sync.WaitGroup
	var begun atomic.Int64
	for n := range uint64(runtime.GOMAXPROCS(0)) {
		all.Go(func() {
			random := rand.New(rand.NewPCG(seed, n))
			for !t.Failed() && begun.Load() < rounds {
				y := &torn{t: t, path: filepath.Join(t.TempDir(), "b.db"), random: random, count: c}
				for i := 0; i < 20 && !t.Failed() && begun.Add(1) <= rounds; i++ { // a new one now and then, as a record only grows
					y.round()
				}
			}
		})
	}
	all.Wait()
	t.Logf("%d kills, %d entries acknowledged; %d logs torn behind the last commit, %d before it; of those, %d showed as missing entries, %d as damage",
		c.kills.Load(), c.acked.Load(), c.behind.Load(), c.before.Load(), c.lost.Load(), c.damaged.Load())
	if c.acked.Load() == 0 || c.before.Load() > 10 && c.lost.Load()+c.damaged.Load() == 0 {
		t.Error("nothing was put to the test")
	}
}

type tornCount struct{ kills, acked, behind, before, lost, damaged atomic.Int64 }

// torn is one database that is tormented.
type torn struct {
	t      *testing.T
	path   string
	random *rand.Rand
	count  *tornCount
	heads  []ledger.Checkpoint // all that was acknowledged and must be there
}

func (y *torn) round() {
	acked := y.kill()
	y.count.kills.Add(1)
	y.count.acked.Add(int64(len(acked)))
	for _, head := range acked {
		y.heads = append(y.heads, ledger.Checkpoint{Head: head})
	}
	lied := y.tear()
	db, err := Open(y.t.Context(), y.path, Options{})
	if err != nil {
		y.damage(lied, err)
		return
	}
	defer func() {
		if err := db.Close(); err != nil {
			y.damage(lied, err)
		}
	}()
	r, err := db.Verify(y.t.Context(), y.heads...)
	switch {
	case err != nil:
		y.damage(lied, err)
		return
	case !r.OK && !lied:
		y.t.Errorf("what was acknowledged is not all there: %+v", r.Problems)
		return
	case !r.OK:
		y.count.lost.Add(1)
		y.heads = nil
	case !lied:
		wholeIndex(y.t, db)
	}
	if alone, err := db.Verify(y.t.Context()); err == nil && alone.OK {
		// What is left is a record that somebody can go on with, or the first write says why not.
		if err := note(y.t.Context(), db, "after the crash"); err != nil {
			y.damage(lied, err)
		}
	} else if !lied || (err != nil && !errors.Is(err, ErrCorrupt)) {
		y.t.Errorf("%+v %v", alone, err)
	} else {
		y.anew()
	}
}

// damage is right only where the disk lied, and then it is called by its name.
func (y *torn) damage(lied bool, err error) {
	if !lied || !errors.Is(err, ErrCorrupt) {
		y.t.Errorf("after the kill (the disk lied: %t): %v", lied, err)
	}
	y.count.damaged.Add(1)
	y.anew()
}

func (y *torn) anew() {
	y.path, y.heads = filepath.Join(y.t.TempDir(), "b.db"), nil
}

// kill starts a writer and kills it after so many acknowledged writes and a little more. It gives the heads that it
// acknowledged.
func (y *torn) kill() (acked []ledger.Head) {
	y.t.Helper()
	cmd := exec.CommandContext(y.t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), "TORN_WRITE="+y.path, fmt.Sprint("TORN_SEED=", y.random.Uint64()))
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		y.t.Fatal(err)
	}
	after, more := y.random.IntN(15), time.Duration(y.random.Int64N(int64(4*time.Millisecond)))
	var told bytes.Buffer
	buf := make([]byte, 4096)
	for killed := false; ; {
		if !killed && bytes.Count(told.Bytes(), []byte("\n")) > after {
			killed = true
			time.AfterFunc(more, func() { _ = cmd.Process.Kill() })
		}
		n, err := out.Read(buf)
		told.Write(buf[:n])
		if err != nil {
			if !errors.Is(err, io.EOF) {
				y.t.Error(err)
			}
			break
		}
	}
	if err := cmd.Wait(); err == nil || cmd.ProcessState.ExitCode() != -1 {
		y.t.Errorf("the writer was not killed: %v: %s", err, told.Bytes())
	}
	for line := range bytes.Lines(told.Bytes()) {
		var h ledger.Head
		if !bytes.HasSuffix(line, []byte("\n")) || bytes.HasPrefix(line, []byte("ready")) {
			continue
		}
		if _, err := fmt.Sscan(string(line), &h.Seq, &h.Hash); err != nil {
			y.t.Errorf("%q: %v", line, err)
		}
		acked = append(acked, h)
	}
	return acked
}

// tear damages the log. Lied: something of what was acknowledged may be lost with it.
func (y *torn) tear() (lied bool) {
	y.t.Helper()
	wal, err := os.ReadFile(y.path + "-wal")
	if errors.Is(err, fs.ErrNotExist) {
		return false
	}
	if err != nil {
		y.t.Fatal(err)
	}
	end := committed(wal)
	garbage := func(n int) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(y.random.Uint32())
		}
		return b
	}
	switch y.random.IntN(5) {
	case 0:
		return false
	case 1: // the last write was cut short
		wal = wal[:end+y.random.IntN(len(wal)-end+1)]
	case 2: // something else lies where it should be
		wal = append(wal[:end:end], garbage(y.random.IntN(2*walFrame))...)
	case 3:
		if end == 0 {
			return false
		}
		wal, lied = wal[:y.random.IntN(end)], true
	case 4:
		if end == 0 {
			return false
		}
		at := max(0, end-1-y.random.IntN(4*walFrame))
		wal, lied = bytes.Clone(wal), true
		copy(wal[at:end], garbage(1+y.random.IntN(64)))
	}
	if lied {
		y.count.before.Add(1)
	} else {
		y.count.behind.Add(1)
	}
	if err := os.WriteFile(y.path+"-wal", wal, 0o600); err != nil {
		y.t.Fatal(err)
	}
	return lied
}

// committed is where the last commit of a write-ahead log ends (https://www.sqlite.org/fileformat2.html#the_write_ahead_log).
func committed(wal []byte) (end int) {
	if len(wal) < walHeader {
		return 0
	}
	salts := wal[16:24]
	for at := walHeader; at+walFrame <= len(wal); at += walFrame {
		if !bytes.Equal(wal[at+8:at+16], salts) {
			break
		}
		if binary.BigEndian.Uint32(wal[at+4:]) != 0 {
			end = at + walFrame
		}
	}
	return end
}

// writeUntilKilled is the process that is killed. Each write is a run that is over, its outcome on the record, and a payload, all
// in one transaction; it says the head only when that is committed.
func writeUntilKilled(path, seed string) error {
	var n uint64
	if _, err := fmt.Sscan(seed, &n); err != nil {
		return err
	}
	random, ctx := rand.New(rand.NewPCG(n, 0)), context.Background()
	db, err := Open(ctx, path, Options{})
	if err != nil {
		return err
	}
	fmt.Println("ready")
	for i := 0; ; i++ {
		var head ledger.Head
		err := db.Update(ctx, func(tx *Tx) error {
			row := Run{
				Op: fmt.Sprintf("op-%s-%d", seed, i), PlanHash: "h", Plan: json.RawMessage("{}"), Confirmation: json.RawMessage("{}"),
				State: "succeeded", Final: true, StartedAt: time.Now(), Steps: []Step{{N: 1, Unit: "u", State: "applied", Doc: json.RawMessage("{}")}},
			}
			if err := tx.CreateRun(&row); err != nil {
				return err
			}
			payload := bytes.Repeat([]byte{byte(random.Uint32())}, random.IntN(30_000))
			entry := ledger.Entry{Kind: ledger.KindOutcome, Actor: "ana", Run: row.ID, Text: "over", Body: json.RawMessage(`{"state":"succeeded"}`)}
			if _, err := tx.Append(entry, payload); err != nil {
				return err
			}
			return tx.tx.QueryRowContext(ctx, "SELECT seq, hash FROM head").Scan(&head.Seq, &head.Hash)
		})
		if err != nil {
			return err
		}
		fmt.Println(head.Seq, head.Hash)
		if random.IntN(12) == 0 {
			if _, err := db.write.ExecContext(ctx, "PRAGMA wal_checkpoint(PASSIVE)"); err != nil {
				return err
			}
		}
	}
}
