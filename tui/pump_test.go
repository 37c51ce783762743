package tui

import (
	"bytes"
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	tea "charm.land/bubbletea/v2"
)

// meter counts how often it is asked, and changes its version when told to.
type meter struct {
	asked, version atomic.Uint64
	incident       atomic.Pointer[string]
}

func (m *meter) State(incident string) State {
	m.asked.Add(1)
	m.incident.Store(&incident)
	return State{Version: m.version.Load()}
}

func TestPumpSendsOnlyTheNewest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src, shown := &meter{}, &atomic.Pointer[string]{}
		id := "INC-1"
		shown.Store(&id)
		ctx, cancel := context.WithCancel(t.Context())
		var got []uint64
		var slow atomic.Int64
		done := make(chan struct{})
		go func() {
			defer close(done)
			pump(ctx, src, shown, func(msg tea.Msg) {
				got = append(got, msg.(stateMsg).state.Version)
				time.Sleep(time.Duration(slow.Load()))
			})
		}()
		time.Sleep(time.Second)
		synctest.Wait()
		if n := src.asked.Load(); n < 25 || n > 30 || len(got) != 0 {
			t.Errorf("idle: asked %d times in a second, sent %d", n, len(got))
		}
		src.version.Store(1)
		time.Sleep(100 * time.Millisecond)
		slow.Store(int64(10 * time.Second)) // a terminal that does not keep up
		for v := range uint64(100) {
			src.version.Store(v + 2)
			time.Sleep(50 * time.Millisecond)
		}
		time.Sleep(20 * time.Second)
		cancel()
		<-done
		if len(got) != 3 || got[0] != 1 || got[2] != 101 {
			t.Errorf("sent %v: want the first, what was there when the terminal stopped, and then only the newest", got)
		}
		if *src.incident.Load() != "INC-1" {
			t.Errorf("asked for incident %q", *src.incident.Load())
		}
	})
}

// screenful counts what is written to a terminal.
type screenful struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (s *screenful) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.Write(p)
}

func (s *screenful) take() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := s.buf.String()
	s.buf.Reset()
	return out
}

// The program itself, on a terminal that is not one: it draws, writes nothing while nothing changes, and ends with ctx.
func TestIdleProgramWritesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		base := newWorld(t, nil)
		started := time.Now()
		opts := base.m.opts
		opts.Now = func() time.Time { return at("14:20:31").Add(time.Since(started)) }
		for i := range base.f.st.Health { // a source that answers every second or two never looks older than 5 s
			base.f.st.Health[i].LastOK = opts.Now().Add(-time.Hour)
		}
		out := &screenful{}
		opts.Output, opts.Environ = out, []string{"TERM=xterm-256color", "COLORTERM=truecolor"}
		ctx, cancel := context.WithCancel(t.Context())
		m := New(ctx, opts)
		p := tea.NewProgram(m, tea.WithContext(ctx), tea.WithOutput(out), tea.WithInput(nil), tea.WithEnvironment(opts.Environ), tea.WithoutSignalHandler(), tea.WithWindowSize(120, 36))
		done := make(chan error, 1)
		go func() {
			_, err := p.Run()
			done <- err
		}()
		go pump(ctx, opts.Source, m.shown, p.Send)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if first := out.take(); !bytes.Contains([]byte(first), []byte("LIKELY CULPRIT")) {
			t.Errorf("first frame: %.300q", first)
		}
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if idle := out.take(); idle != "" {
			t.Errorf("idle for 5 s, yet written: %q", idle)
		}
		p.Send(keyMsg("j"))
		time.Sleep(time.Second)
		synctest.Wait()
		if n := len(out.take()); n == 0 || n > 1500 {
			t.Errorf("one line moved, %d bytes written", n)
		}
		cancel()
		<-done
		time.Sleep(2 * time.Second) // the last tick of the clock, which nothing can cancel
	})
}
