package tui

import (
	"context"
	"errors"
	"fmt"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/colorprofile"
	"github.com/charmbracelet/x/ansi"
)

// Run shows the console until the user quits or ctx is done, which is no error. Signals other than SIGINT and SIGTERM
// are the caller's: a program that may be executing a rollback has to handle SIGHUP itself.
func Run(ctx context.Context, opts Options) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	m := New(ctx, opts)
	// Half of the wait between a key and its frame is the frame clock: at 120 Hz it stays under 10 ms.
	options := []tea.ProgramOption{tea.WithContext(ctx), tea.WithFPS(120)}
	if opts.NoColor {
		// Bold and reverse stay: NO_COLOR is about colour. The library only knows the values 1 and true.
		options = append(options, tea.WithColorProfile(colorprofile.ASCII))
	}
	if opts.Input != nil {
		options = append(options, tea.WithInput(opts.Input))
	}
	if opts.Output != nil {
		options = append(options, tea.WithOutput(opts.Output))
	}
	if opts.Environ != nil {
		options = append(options, tea.WithEnvironment(opts.Environ))
	}
	p := tea.NewProgram(m, options...)
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() {
			if r := recover(); r != nil {
				// The terminal is only restored by the program's own way out.
				p.Send(brokenMsg{fmt.Errorf("state of the timeline: %v", r)})
			}
		}()
		if opts.Sync {
			p.Send(tea.ModeReportMsg{Mode: ansi.ModeSynchronizedOutput, Value: ansi.ModeReset})
		}
		pump(ctx, opts.Source, m.shown, p.Send)
	}()
	_, err := p.Run()
	cancel()
	<-done
	switch {
	case m.broken != nil:
		return m.broken
	case err == nil, errors.Is(err, context.Canceled), errors.Is(err, tea.ErrInterrupted):
		return nil
	default:
		return fmt.Errorf("show the console: %w", err)
	}
}

// brokenMsg ends the program after a fault outside of its loop.
type brokenMsg struct{ err error }

func (m *Model) windowTitle() string {
	t := m.badge() + " backout"
	if id := m.incidentID(); id != "" {
		t += " " + plain(id)
	}
	if m.title != "" {
		t = m.badge() + " " + m.title
	}
	return t
}

// progress tells the terminal, and so its tab or multiplexer, that a person is waited for or how far a run is.
func (m *Model) progress(v *tea.View) {
	if _, ok := m.modal.(*confirmScreen); ok {
		v.ProgressBar = tea.NewProgressBar(tea.ProgressBarWarning, 100)
		return
	}
	for _, s := range m.stack {
		r, ok := s.(*runScreen)
		if !ok || r.run.State.Final() {
			continue
		}
		done, all := r.progressed()
		v.ProgressBar = tea.NewProgressBar(tea.ProgressBarDefault, 100*done/max(all, 1))
	}
}
