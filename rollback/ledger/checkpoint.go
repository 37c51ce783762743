package ledger

import (
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"golang.org/x/mod/sumdb/tlog"
)

// Checkpoint is a head that is kept elsewhere: with it anyone can tell later whether the ledger still begins with the
// entries that it had then. Its text is small enough for a ticket.
type Checkpoint struct {
	Origin string    `json:"origin,omitempty"` // which ledger; empty in a head that was noted by hand
	Head   Head      `json:"head"`
	At     time.Time `json:"at,omitzero"` // when it was made, by the clock of the one who made it
	By     string    `json:"by,omitempty"`

	// Signature is over Body: armored, as ssh-keygen -Y sign writes it. Nothing here checks it; empty is unsigned.
	Signature string `json:"signature,omitempty"`
}

// MaxCheckpoint is how many bytes are looked at for a checkpoint, with what stands around it.
const MaxCheckpoint = 64 << 10

const (
	originPrefix = "backout-ledger/"
	maxEntries   = 1 << 48
)

// Text is the checkpoint as a file: its body, and its signature if it has one.
func (c Checkpoint) Text() string {
	if c.Signature == "" {
		return c.Body()
	}
	return c.Body() + "\n" + c.Signature
}

// Body is what is signed: origin, size and root as in https://c2sp.org/tlog-checkpoint, then what is beside them.
func (c Checkpoint) Body() string {
	return fmt.Sprintf("%s%s\n%d\n%s\nline %s\ntime %s\nby %s\n", originPrefix, c.Origin, c.Head.Seq, c.Head.Root, c.Head.Hash,
		c.At.UTC().Format(time.RFC3339), oneLine(c.By))
}

// ParseCheckpoint reads a checkpoint, also where it was pasted: what stands around it, indents, marks of a quotation
// and carriage returns are passed over, but each of its own lines has to be whole.
func ParseCheckpoint(text string) (Checkpoint, error) {
	if len(text) > MaxCheckpoint {
		return Checkpoint{}, fmt.Errorf("a checkpoint has a few hundred bytes, and this has %d", len(text))
	}
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = strings.TrimSpace(strings.TrimLeft(lines[i], "> \t"))
	}
	for len(lines) > 0 && !strings.HasPrefix(lines[0], originPrefix) {
		lines = lines[1:]
	}
	if len(lines) < len(checkpointLines) {
		return Checkpoint{}, errors.New("no checkpoint: six lines are looked for, the first of them " + originPrefix + "ID")
	}
	var c Checkpoint
	for i, what := range checkpointLines {
		if !c.take(i, lines[i]) {
			return Checkpoint{}, fmt.Errorf("checkpoint: %q is not %s", lines[i], what)
		}
	}
	var err error
	c.Signature, err = signatureIn(lines[len(checkpointLines):])
	return c, err
}

// ParseCheckpoints reads all checkpoints of a text, each as [ParseCheckpoint] does. One that cannot be read is an error, beside those
// that can.
func ParseCheckpoints(text string) ([]Checkpoint, error) {
	var all []Checkpoint
	var errs []error
	for {
		at := strings.Index(text, originPrefix)
		if at < 0 {
			return all, errors.Join(errs...)
		}
		one := text[at:]
		if next := strings.Index(one[1:], originPrefix); next >= 0 {
			one = one[:next+1]
		}
		text = text[at+len(one):]
		c, err := ParseCheckpoint(one[:min(len(one), MaxCheckpoint)])
		if err != nil {
			errs = append(errs, err)
			continue
		}
		all = append(all, c)
	}
}

const (
	beginSignature = "-----BEGIN SSH SIGNATURE-----"
	endSignature   = "-----END SSH SIGNATURE-----"
)

// signatureIn is the signature among the lines after a checkpoint, without what stands around it; "" is none.
func signatureIn(lines []string) (string, error) {
	begin := slices.Index(lines, beginSignature)
	if begin < 0 {
		return "", nil
	}
	lines = lines[begin:]
	end := slices.Index(lines, endSignature)
	if end < 0 {
		return "", errors.New("checkpoint: its signature is cut off")
	}
	for _, l := range lines[1:end] {
		if l == "" || strings.Trim(l, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=") != "" {
			return "", fmt.Errorf("checkpoint: %q is not of a signature", l)
		}
	}
	return strings.Join(lines[:end+1], "\n") + "\n", nil
}

// checkpointLines says what each line of a checkpoint is.
var checkpointLines = [...]string{"the name of a ledger", "a number of entries", "a root", "the hash of a line", "a time", "who made it"}

// take reads one line, in the one form that Text writes.
func (c *Checkpoint) take(i int, line string) bool {
	var err error
	var ok bool
	switch i {
	case 0:
		c.Origin = strings.TrimPrefix(line, originPrefix)
		raw, err := hex.DecodeString(c.Origin)
		return err == nil && len(raw) == 16
	case 1:
		c.Head.Seq, err = strconv.ParseInt(line, 10, 64)
		return err == nil && c.Head.Seq >= 1 && c.Head.Seq <= maxEntries && strconv.FormatInt(c.Head.Seq, 10) == line
	case 2:
		c.Head.Root = line
		root, err := tlog.ParseHash(line)
		return err == nil && root.String() == line
	case 3:
		c.Head.Hash, ok = strings.CutPrefix(line, "line ")
		return ok && isHash(c.Head.Hash)
	case 4:
		line, ok = strings.CutPrefix(line, "time ")
		c.At, err = time.Parse(time.RFC3339, line)
		return ok && err == nil && c.At.UTC().Format(time.RFC3339) == line
	default:
		c.By, ok = strings.CutPrefix(line, "by ")
		return ok && c.By == oneLine(c.By)
	}
}

// ParseHead reads a head as SEQ:HASH.
func ParseHead(text string) (Head, error) {
	seq, hash, ok := strings.Cut(strings.TrimSpace(text), ":")
	n, err := strconv.ParseInt(seq, 10, 64)
	hash = strings.ToLower(hash)
	if !ok || err != nil || n < 1 || !isHash(hash) {
		return Head{}, errors.New("a head is SEQ:HASH")
	}
	return Head{Seq: n, Hash: hash}, nil
}

func isHash(s string) bool {
	_, ok := parseDigest(s)
	return ok
}

// oneLine is a name that takes one line and that no terminal acts on.
func oneLine(name string) string {
	name = strings.TrimSpace(strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, name))
	if name == "" {
		return "unknown"
	}
	return name
}
