package probe

import (
	"context"
	"time"
)

// turn brings the check's next outcome. It asks itself when the interval since the last attempt is over and nobody else is at
// it; else it waits for whoever asks. It reports false when ctx ended first, and at once when ctx will end before the
// attempt would begin.
func (p *Provider) turn(ctx context.Context, c *check) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for before := c.outcomes; c.outcomes == before; {
		wait := min(c.set.Interval, c.set.Interval-p.env.Now().Sub(c.began)) // a clock that went back does not stop the check
		if c.asking {
			wait = -1 // for its end
		} else if wait <= 0 || c.began.IsZero() {
			if !p.askOnce(ctx, c) {
				return false
			}
			continue
		}
		news := c.news
		p.mu.Unlock()
		ok := pause(ctx, wait, news)
		p.mu.Lock()
		if !ok {
			return false
		}
	}
	return true
}

// askOnce makes one attempt and wakes those who wait for it. The caller holds mu, which is let go in between.
func (p *Provider) askOnce(ctx context.Context, c *check) bool {
	before := c.began
	c.asking, c.began = true, p.env.Now()
	p.mu.Unlock()
	o, ok := p.attempt(ctx, c)
	if ok {
		p.observe(ctx, c, o)
	}
	p.mu.Lock()
	if c.asking = false; ok {
		c.outcomes++
	} else {
		c.began = before // nothing was learned: the next one need not wait for the interval
	}
	close(c.news)
	c.news = make(chan struct{})
	return ok
}

// attempt asks once, with at most maxAtOnce others. It reports false when ctx ended first.
func (p *Provider) attempt(ctx context.Context, c *check) (outcome, bool) {
	select {
	case p.slots <- struct{}{}:
		defer func() { <-p.slots }()
	case <-ctx.Done():
		return outcome{}, false
	}
	return p.ask.attempt(ctx, &c.set)
}

// observe takes an outcome: it may open or end an alert.
func (p *Provider) observe(ctx context.Context, c *check, o outcome) {
	p.Done(p.env.Now(), nil) // a target that fails is an alert; this provider is well while it can ask
	p.book.Lock()
	defer p.book.Unlock()
	p.mu.Lock()
	read := c.read
	p.mu.Unlock()
	if !read {
		p.sync(ctx, c)
	}
	p.mu.Lock()
	c.count(o)
	p.measured++
	what := c.streak.add(o.at, o.ok, c.set.FailAfter, c.set.RecoverAfter)
	p.mu.Unlock()
	switch what {
	case opened:
		p.open(ctx, c, o)
	case closed:
		p.end(ctx, c)
	case same:
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if !o.ok && c.alert != nil && !c.seen {
		c.seen = true
		p.tell(*c.alert)
	}
}

// count adds an outcome. After a long break the outcomes before it prove nothing together with it.
func (c *check) count(o outcome) {
	if c.stale(o.at) {
		c.good, c.streak.run = 0, 0
	}
	if c.good++; !o.ok {
		c.good = 0
	}
	c.last = o
	c.series.add(o)
}

// stale reports that the last outcome is too old to say anything of now.
func (c *check) stale(now time.Time) bool {
	return now.Sub(c.last.at) > 10*c.set.Interval+c.set.Timeout
}

// pause waits for d, or less if woken comes first; a negative d is for ever. It reports false when ctx ended first, and at
// once when ctx will end before d is over.
func pause(ctx context.Context, d time.Duration, woken <-chan struct{}) bool {
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= d {
		return false
	}
	if ctx.Err() != nil {
		return false
	}
	var over <-chan time.Time
	if d >= 0 {
		timer := time.NewTimer(d)
		defer timer.Stop()
		over = timer.C
	}
	select {
	case <-ctx.Done():
		return false
	case <-over:
	case <-woken:
	}
	return true
}
