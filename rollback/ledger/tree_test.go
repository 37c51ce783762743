package ledger

import (
	"crypto/sha256"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"
)

func leaves(n int, story string) []Digest {
	out := make([]Digest, n)
	for i := range out {
		out[i] = sha256.Sum256(fmt.Append(nil, story, i))
	}
	return out
}

func walked(all []Digest) iter.Seq2[Digest, error] {
	return func(yield func(Digest, error) bool) {
		for _, d := range all {
			if !yield(d, nil) {
				return
			}
		}
	}
}

func noted(all []Digest) Checkpoint {
	var t tree
	for _, d := range all {
		t.add(d)
	}
	return Checkpoint{
		Origin: strings.Repeat("ab", 16), Head: Head{Seq: t.size, Hash: all[len(all)-1].String(), Root: t.root()},
		At: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), By: "ana@acme",
	}
}

// The tree that keeps its edge alone has the roots that the library reckons from all of its hashes.
func TestTheTreeIsThatOfTheLibrary(t *testing.T) {
	var mine tree
	var stored []tlog.Hash
	read := tlog.HashReaderFunc(func(at []int64) ([]tlog.Hash, error) {
		out := make([]tlog.Hash, len(at))
		for i, a := range at {
			out[i] = stored[a]
		}
		return out, nil
	})
	for i, d := range leaves(70, "a") {
		more, err := tlog.StoredHashes(int64(i), d[:], read)
		if err != nil {
			t.Fatal(err)
		}
		stored = append(stored, more...)
		want, err := tlog.TreeHash(int64(i)+1, read)
		if err != nil {
			t.Fatal(err)
		}
		if mine.add(d); mine.root() != want.String() {
			t.Fatalf("the root over %d is %s, want %s", i+1, mine.root(), want)
		}
	}
}

func TestEveryEntryOfEverySizeIsProven(t *testing.T) {
	all, other := leaves(33, "a"), leaves(33, "b")
	for size := 1; size <= len(all); size++ {
		c := noted(all[:size])
		for seq := 1; seq <= size; seq++ {
			hashes, err := ProveEntry(walked(all), c, int64(seq))
			if err != nil {
				t.Fatal(err)
			}
			p := Proof{Checkpoint: c.Text(), Entry: int64(seq), Digest: all[seq-1].String(), Hashes: hashes}
			if shown, err := p.Check(); err != nil || shown.Entry != int64(seq) || shown.Checkpoint.Head != c.Head {
				t.Fatalf("entry %d of %d: %+v %v", seq, size, shown, err)
			}
			p.Digest = other[seq-1].String()
			if _, err := p.Check(); err == nil {
				t.Fatalf("entry %d of %d: another line is shown to be in it", seq, size)
			}
			if p.Digest = all[seq-1].String(); size > 1 {
				p.Entry = int64(seq%size) + 1
				if _, err := p.Check(); err == nil {
					t.Fatalf("entry %d of %d is shown to be entry %d", seq, size, p.Entry)
				}
			}
		}
	}
}

func TestGrowthIsProvenAndAForkIsNot(t *testing.T) {
	all := leaves(20, "a")
	for from := 1; from <= len(all); from++ {
		for size := from; size <= len(all); size++ {
			older, newer := noted(all[:from]), noted(all[:size])
			hashes, err := ProveGrowth(walked(all), older, newer)
			if err != nil {
				t.Fatal(err)
			}
			p := Proof{Checkpoint: newer.Text(), From: older.Text(), Hashes: hashes}
			if _, err := p.Check(); err != nil {
				t.Fatalf("%d to %d: %v", from, size, err)
			}
			fork := slices.Clone(all[:from])
			fork[from/2] = Digest{1}
			p.From = noted(fork).Text()
			if _, err := p.Check(); err == nil {
				t.Fatalf("%d to %d: a fork is shown to be the beginning", from, size)
			}
		}
	}
	older, newer := noted(all[:3]), noted(all[:9])
	newer.Origin = strings.Repeat("cd", 16)
	if _, err := (Proof{Checkpoint: newer.Text(), From: older.Text()}).Check(); err == nil || !strings.Contains(err.Error(), "two ledgers") {
		t.Errorf("checkpoints of two ledgers: %v", err)
	}
	if _, err := ProveGrowth(walked(all[:8]), older, noted(all[:9])); err == nil {
		t.Error("a ledger that is shorter than the checkpoint proves it")
	}
}

func TestProofsThatSayTwoThingsOrNoneAreRefused(t *testing.T) {
	c := noted(leaves(4, "a")).Text()
	for name, p := range map[string]Proof{
		"neither":      {Checkpoint: c},
		"both":         {Checkpoint: c, From: c, Entry: 1},
		"no digest":    {Checkpoint: c, Entry: 1, Digest: "xx"},
		"beyond":       {Checkpoint: c, Entry: 5, Digest: Digest{}.String()},
		"no hash":      {Checkpoint: c, Entry: 1, Digest: Digest{}.String(), Hashes: []string{"?"}},
		"other line":   {Checkpoint: c, Entry: 1, Digest: Digest{}.String(), Line: "{}"},
		"other number": {Checkpoint: c, Entry: 1, Digest: Hash([]byte(`{"seq":2}`)), Line: `{"seq":2}`},
		"many hashes":  {Checkpoint: c, Entry: 1, Digest: Digest{}.String(), Hashes: make([]string, 1000)},
	} {
		if _, err := p.Check(); err == nil {
			t.Errorf("%s: it holds", name)
		}
	}
}

func TestACheckpointIsReadWhereItWasPasted(t *testing.T) {
	c := noted(leaves(5, "a"))
	text := c.Text()
	for name, pasted := range map[string]string{
		"itself":         text,
		"carriage":       strings.ReplaceAll(text, "\n", "\r\n"),
		"in a ticket":    "Checkpoint of today:\n```\n" + text + "```\nbye\n",
		"indented":       "    " + strings.ReplaceAll(text, "\n", "\n    "),
		"quoted by mail": "> " + strings.ReplaceAll(text, "\n", "\n> "),
	} {
		if got, err := ParseCheckpoint(pasted); err != nil || got != c {
			t.Errorf("%s: %+v %v", name, got, err)
		}
	}
	for _, bad := range []string{
		"", "5:abc", strings.Replace(text, "\n5\n", "\n05\n", 1), strings.Replace(text, "\n5\n", "\n9223372036854775807\n", 1),
		strings.Replace(text, "\n5\n", "\n0\n", 1), strings.Replace(text, "line ", "lime ", 1), strings.Replace(text, "2026-", "2026 ", 1),
		strings.Replace(text, "by ana", "\n", 1), text[:len(text)/2], strings.Repeat(" ", MaxCheckpoint) + text,
	} {
		if got, err := ParseCheckpoint(bad); err == nil {
			t.Errorf("%q is read as %+v", bad, got)
		}
	}
	c.Signature = beginSignature + "\nU1NIU0lH+/\nAA==\n" + endSignature + "\n"
	for _, pasted := range []string{c.Text(), "> " + strings.ReplaceAll(c.Text(), "\n", "\r\n> ") + "\nregards"} {
		if got, err := ParseCheckpoint(pasted); err != nil || got != c {
			t.Errorf("signed: %+v %v", got, err)
		}
	}
	for _, bad := range []string{strings.Replace(c.Text(), "-----END", "----END", 1), strings.Replace(c.Text(), "AA==", "A A==", 1)} {
		if got, err := ParseCheckpoint(bad); err == nil {
			t.Errorf("%q is read as %+v", bad, got)
		}
	}
	c.Signature = ""
	c.By = "ana\nby mallory\x1b[2J\u202e"
	if got, err := ParseCheckpoint(c.Text()); err != nil || got.By != "anaby mallory[2J" {
		t.Errorf("a name with lines gives %+v %v", got, err)
	}
}

func TestAllCheckpointsOfATextAreRead(t *testing.T) {
	one, two := noted(leaves(5, "a")), noted(leaves(9, "a"))
	two.Signature = beginSignature + "\nU1NIU0lH\n" + endSignature + "\n"
	text := "from monday:\n" + one.Text() + "\n> " + strings.ReplaceAll(two.Text(), "\n", "\n> ") + "\n" + one.Text()
	if all, err := ParseCheckpoints(text); err != nil || !slices.Equal(all, []Checkpoint{one, two, one}) {
		t.Errorf("%+v %v", all, err)
	}
	text = strings.Replace(text, "line ", "lime ", 1)
	if all, err := ParseCheckpoints(text); err == nil || !slices.Equal(all, []Checkpoint{two, one}) {
		t.Errorf("one of them cannot be read: %+v %v", all, err)
	}
	if all, err := ParseCheckpoints("nothing"); err != nil || all != nil {
		t.Errorf("%+v %v", all, err)
	}
}

func FuzzParseCheckpoint(f *testing.F) {
	f.Add(noted(leaves(3, "a")).Text() + "\n" + beginSignature + "\nU1NIU0lH\n" + endSignature)
	f.Add(noted(leaves(3, "a")).Text())
	f.Add("```\n> " + strings.ReplaceAll(noted(leaves(9, "b")).Text(), "\n", "\r\n> "))
	f.Fuzz(func(t *testing.T, text string) {
		c, err := ParseCheckpoint(text)
		if err != nil {
			return
		}
		if again, err := ParseCheckpoint(c.Text()); err != nil || again != c {
			t.Errorf("%q gives %+v, and its text %+v %v", text, c, again, err)
		}
	})
}

// Whatever is read as a proof, it holds for nothing but the entry that it was made for.
func FuzzReadProof(f *testing.F) {
	all := leaves(11, "a")
	c := noted(all)
	hashes, err := ProveEntry(walked(all), c, 4)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(fmt.Sprintf(`{"schema":%q,"checkpoint":%q,"entry":4,"digest":%q,"hashes":["%s"]}`, ProofSchema, c.Text(), all[3], strings.Join(hashes, `","`)))
	f.Add(fmt.Sprintf(`{"schema":%q,"checkpoint":%q,"from":%q,"hashes":[]}`, ProofSchema, c.Text(), c.Text()))
	f.Fuzz(func(t *testing.T, text string) {
		p, err := ReadProof(strings.NewReader(text))
		if err != nil {
			return
		}
		shown, err := p.Check()
		if err == nil && shown.From == nil && shown.Checkpoint.Head.Root == c.Head.Root && shown.Checkpoint.Head.Seq == c.Head.Seq &&
			(shown.Entry > c.Head.Seq || p.Digest != all[shown.Entry-1].String()) {
			t.Errorf("%s shows entry %d to be %s", text, shown.Entry, p.Digest)
		}
	})
}
