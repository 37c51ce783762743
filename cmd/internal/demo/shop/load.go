package shop

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"
)

// Stats is what the customers met since the load began.
type Stats struct {
	Sent    int64 `json:"sent"`
	OK      int64 `json:"ok"`
	Failed  int64 `json:"failed"`
	Skipped int64 `json:"skipped"` // not sent, because too many were still waiting for their answer
}

// Carts are the carts of the shop's customers, as "article:quantity,..." and currency. Some are small.
func Carts() []url.Values {
	var out []url.Values
	for _, c := range [][2]string{
		{"lamp:1,kettle:2", "EUR"},
		{"chair:2", "EUR"},
		{"desk:1,chair:1", "SEK"},
		{"mug:2,candle:1", "EUR"},
		{"rug:1,mug:12", "EUR"},
		{"shelf:3", "EUR"},
		{"desk:2,chair:4,lamp:2", "EUR"},
		{"candle:6,mug:4,lamp:1", "SEK"},
	} {
		out = append(out, url.Values{"cart": {c[0]}, "currency": {c[1]}})
	}
	return out
}

// users are those who shop.
func users() []string { return []string{"ada", "grace", "linus", "margaret"} }

// maxWaiting bounds how many requests wait for their answer at a time.
const maxWaiting = 8

// runLoad sends a steady, bounded stream of customers to the storefront and answers /stats.
func runLoad(ctx context.Context, o options, stdout io.Writer) error {
	if o.rate < 1 || o.rate > 200 {
		return fmt.Errorf("a load of %d requests a second: between 1 and 200 are possible", o.rate)
	}
	var sent, ok, failed, skipped atomic.Int64
	client := &http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: maxWaiting}}
	waiting := make(chan struct{}, maxWaiting)
	go func() {
		tick := time.NewTicker(time.Second / time.Duration(o.rate))
		defer tick.Stop()
		carts, people := Carts(), users()
		pick := rand.New(rand.NewPCG(1, 2)) // always the same customers in the same order
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			q := url.Values{"user": {people[pick.IntN(len(people))]}}
			for k, v := range carts[pick.IntN(len(carts))] {
				q[k] = v
			}
			select {
			case waiting <- struct{}{}:
			default:
				skipped.Add(1)
				continue
			}
			sent.Add(1)
			go func() {
				defer func() { <-waiting }()
				if visit(ctx, client, o.upstream[Storefront], q) {
					ok.Add(1)
				} else {
					failed.Add(1)
				}
			}()
		}
	}()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /stats", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(Stats{Sent: sent.Load(), OK: ok.Load(), Failed: failed.Load(), Skipped: skipped.Load()})
	})
	return serveHTTP(ctx, o.addr, mux, stdout)
}

func visit(ctx context.Context, c *http.Client, addr string, q url.Values) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/cart?"+q.Encode(), http.NoBody)
	if err != nil {
		return false
	}
	resp, err := c.Do(req)
	if err != nil {
		return false
	}
	defer func() { _ = resp.Body.Close() }()
	_, err = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10))
	return err == nil && resp.StatusCode == http.StatusOK
}
