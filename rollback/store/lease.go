package store

import (
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// Claim reserves units for a run until it is over, whether or not anybody works on it. A unit that another unfinished
// run has claimed gives [ErrHeld] with that run's id.
func (t *Tx) Claim(run string, units []string) error {
	for _, u := range units {
		l, err := t.lease(u)
		if err != nil {
			return err
		}
		if l.Run != "" && l.Run != run {
			return fmt.Errorf("%s: %w: %s", u, ErrHeld, l.Run)
		}
		if l.Run == run {
			continue
		}
		_, err = t.exec(`INSERT INTO lease (unit, run, token) VALUES (?, ?, 1)
			ON CONFLICT (unit) DO UPDATE SET run = excluded.run, holder = '', token = lease.token + 1, expires_at = 0`, u, run)
		if err != nil {
			return fmt.Errorf("claim %s: %w", u, err)
		}
	}
	return nil
}

// Holder is the run that has claimed a unit and is not over; "" none has.
func (t *Tx) Holder(unit string) (run string, err error) {
	l, err := t.lease(unit)
	return l.Run, err
}

// Acquire makes holder the executor of a run until expires: it raises the token of every unit, so that writes of the
// executor before it are refused. It gives [ErrHeld] while another holder's lease is fresh, unless dead says that this
// holder is no more (nil: nobody can tell).
func (t *Tx) Acquire(run, holder string, expires time.Time, dead func(holder string) bool) (Fence, error) {
	f := Fence{Run: run, Holder: holder, Tokens: map[string]int64{}}
	leases, err := leasesOf(t.ctx, t.tx, run)
	if err = local(leases, t.ahead, err); err != nil {
		return f, err
	}
	if len(leases) == 0 {
		return f, fmt.Errorf("%s holds no unit: %w", run, ErrFenced)
	}
	for _, l := range leases {
		if l.Holder != "" && l.Holder != holder && l.Expires.After(t.now()) && (dead == nil || !dead(l.Holder)) {
			return f, fmt.Errorf("%s: %w: %s, until %s", run, ErrHeld, l.Holder, l.Expires.Format(time.TimeOnly+"Z07:00"))
		}
	}
	for _, l := range leases {
		if _, err := t.exec("UPDATE lease SET holder = ?, token = token + 1, expires_at = ? WHERE unit = ?", holder, t.ends(expires), l.Unit); err != nil {
			return f, fmt.Errorf("take the lease on %s: %w", l.Unit, err)
		}
		f.Tokens[l.Unit] = l.Token + 1
	}
	return f, nil
}

// Check refuses with [ErrFenced] unless f still holds every unit. It comes first in each transaction of an executor.
func (t *Tx) Check(f Fence) error {
	for u, token := range f.Tokens {
		l, err := t.lease(u)
		if err != nil {
			return err
		}
		if l.Run != f.Run || l.Holder != f.Holder || l.Token != token {
			return fmt.Errorf("%s: %w", f.Run, ErrFenced)
		}
	}
	if len(f.Tokens) == 0 {
		return fmt.Errorf("%s: no lease: %w", f.Run, ErrFenced)
	}
	return nil
}

// Renew moves the end of the leases of f.
func (t *Tx) Renew(f Fence, expires time.Time) error {
	if err := t.Check(f); err != nil {
		return err
	}
	_, err := t.exec("UPDATE lease SET expires_at = ? WHERE run = ? AND holder = ?", t.ends(expires), f.Run, f.Holder)
	return err
}

// Detach ends the leases of f and leaves its claims: the run is not over, but nobody works on it.
func (t *Tx) Detach(f Fence) error {
	if err := t.Check(f); err != nil {
		return err
	}
	_, err := t.exec("UPDATE lease SET holder = '', expires_at = 0 WHERE run = ?", f.Run)
	return err
}

// Release ends the claims and leases of a run that is over.
func (t *Tx) Release(run string) error {
	_, err := t.exec("UPDATE lease SET run = '', holder = '', expires_at = 0 WHERE run = ?", run)
	return err
}

func (t *Tx) lease(unit string) (Lease, error) {
	l, err := scanLease(t.tx.QueryRowContext(t.ctx, "SELECT unit, run, holder, token, expires_at FROM lease WHERE unit = ?", unit))
	if errors.Is(err, sql.ErrNoRows) {
		return Lease{Unit: unit}, nil
	}
	l.Expires = onClock(l.Expires, -t.ahead)
	return l, classify(err)
}

// ends is when a lease ends, by the clock that leases go by.
func (t *Tx) ends(expires time.Time) int64 { return stamp(onClock(expires, t.ahead)) }

// local has leases end by this process's own clock, which is behind the one that they go by.
func local(leases []Lease, ahead time.Duration, err error) error {
	for i := range leases {
		leases[i].Expires = onClock(leases[i].Expires, -ahead)
	}
	return err
}

func onClock(t time.Time, ahead time.Duration) time.Time {
	if t.IsZero() {
		return t
	}
	return t.Add(ahead)
}
