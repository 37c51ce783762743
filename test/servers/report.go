package servers

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"
)

// Report gives a function that shows the progress of builds: on a terminal as one line that changes, elsewhere as a line
// every so often. When a build is over, its line is finished by done.
func Report(out *os.File) (tell func(Progress), done func()) {
	r := &reporter{out: out, terminal: term.IsTerminal(int(out.Fd())), began: time.Now(), now: time.Now}
	if !r.terminal {
		return r.tell, r.done
	}
	over, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		r.goOn(over)
	}()
	return r.tell, func() {
		close(over)
		<-ended
		r.done()
	}
}

// goOn lets the time of what was told last go on: a program that is linked tells nothing for a minute.
func (r *reporter) goOn(over <-chan struct{}) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-over:
			return
		case <-tick.C:
		}
		r.mu.Lock()
		if r.width > 0 {
			r.show(r.last)
		}
		r.mu.Unlock()
	}
}

const quiet = 20 * time.Second // the longest that nothing is said of a build outside a terminal while it goes on

type reporter struct {
	out      *os.File
	terminal bool
	began    time.Time
	said     time.Time
	words    string
	width    int
	mu       sync.Mutex
	last     Progress
	now      func() time.Time
}

func (r *reporter) tell(p Progress) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	words := progressWords(p)
	r.last = p
	next := strings.HasPrefix(words, "link") && words != r.words
	if r.terminal {
		if next || now.Sub(r.said) >= 100*time.Millisecond {
			r.show(p)
		}
		return
	}
	if next || now.Sub(r.said) >= quiet {
		fmt.Fprintf(r.out, "%s %s: %s, %s\n", p.Server.Name, p.Server.Version, words, now.Sub(r.began).Round(time.Second))
		r.said, r.words = now, words
	}
}

// show writes the line of a terminal.
func (r *reporter) show(p Progress) {
	now, words := r.now(), progressWords(p)
	line := fmt.Sprintf("%s %s: %s, %s", p.Server.Name, p.Server.Version, words, now.Sub(r.began).Round(time.Second))
	fmt.Fprintf(r.out, "\r%-*s", r.width, line)
	r.said, r.words, r.width = now, words, len(line)
}

func (r *reporter) done() {
	if r.width > 0 {
		fmt.Fprintln(r.out)
	}
	r.width = 0
}

func progressWords(p Progress) string {
	switch {
	case p.Linking():
		return "linking it"
	case p.Total == 0 && p.Downloaded > 0:
		return fmt.Sprintf("downloaded %d modules", p.Downloaded)
	case p.Total == 0:
		return "looking what it is built of"
	}
	const width = 20
	full := p.Done * width / p.Total
	return fmt.Sprintf("[%s%s] %d of %d packages compiled", strings.Repeat("=", full), strings.Repeat(" ", width-full), p.Done, p.Total)
}
