package demo

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/backout-dev/backout/cmd/internal/demo/shop"
)

// stored is what a world has in which not all is code: orders has a database with migrations, and the shop a flag service.
type stored struct {
	before []landing // what brought the schema to where it is when the shop is opened
	on     string    // the flag that is switched on right after the bad thing went live
	by     person
}

// deliveryWindow is the flag behind which orders says by when a parcel comes at the latest.
const (
	deliveryWindow = "delivery-window"
	windowUnit     = "unleash:" + shop.FlagEnvironment + "/" + deliveryWindow
)

// history is everything that was done before the shop is opened, oldest first.
func (s scenario) history() []landing {
	all := append([]landing{first()}, harmless()...)
	if s.stored != nil {
		all = append(all, s.stored.before...)
	}
	slices.SortStableFunc(all, func(a, b landing) int { return cmp.Compare(b.age, a.age) })
	return all
}

// flagsDir holds what the flag service knows, and the tokens.
func (w *World) flagsDir() string { return filepath.Join(w.dir, "shop", "flags") }

// writeFlags writes what the flag service begins with: one flag, made nine days ago and never switched on.
func (w *World) writeFlags(now time.Time) error {
	if w.scenario.stored == nil {
		return nil
	}
	by := account(w.scenario.stored.by)
	f := shop.FlagFile{People: map[string]string{}, SDK: rand.Text()}
	admin := rand.Text()
	f.People[admin], f.People[rand.Text()] = "backout", by
	made := now.Add(-9 * 24 * time.Hour)
	flag := &shop.Flag{Name: w.scenario.stored.on, Created: made.Truncate(time.Millisecond), Strategies: []map[string]any{}}
	f.Flags = append(f.Flags, flag)
	f.Note(flag, shop.FlagCreated, by, made, "", map[string]any{"name": flag.Name, "project": shop.FlagProject}, nil)
	everybody := map[string]any{
		"id": "strategy-1", "name": "flexibleRollout", "title": nil, "disabled": false, "constraints": []any{}, "variants": []any{}, "segments": []int{},
		"parameters": map[string]any{"rollout": "100", "stickiness": "default", "groupId": flag.Name},
	}
	flag.Strategies = append(flag.Strategies, everybody)
	f.Note(flag, shop.StrategyAdded, by, made.Add(time.Minute), shop.FlagEnvironment, everybody, nil)
	dir := w.flagsDir()
	err := os.MkdirAll(dir, 0o700)
	if err == nil {
		err = errors.Join(
			shop.WriteFlags(filepath.Join(dir, "flags.json"), &f),
			os.WriteFile(filepath.Join(dir, "admin.token"), []byte(admin+"\n"), 0o600),
			os.WriteFile(filepath.Join(dir, "sdk.token"), []byte(f.SDK+"\n"), 0o600),
		)
	}
	for token, whose := range f.People {
		if whose == by {
			w.switcher = token
		}
	}
	if err != nil {
		return fmt.Errorf("write the shop's flags: %w", err)
	}
	return nil
}

// startFlags starts the flag service, and gives the arguments by which orders finds it and its database.
func (w *World) startFlags(ctx context.Context) ([]string, error) {
	if w.scenario.stored == nil {
		return nil, nil
	}
	err := w.add(ctx, &child{name: shop.Flags, args: []string{"service", "--name", shop.Flags, "--flag-file", filepath.Join(w.flagsDir(), "flags.json")}})
	if err != nil {
		return nil, err
	}
	return []string{
		"--upstream", shop.Flags + "=" + w.addr(shop.Flags), "--sdk", filepath.Join(w.flagsDir(), "sdk.token"), "--database", w.database(),
	}, nil
}

// switchOn does what whoever released the bad thing does next.
func (w *World) switchOn(ctx context.Context) error {
	if w.scenario.stored == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, startDeadline)
	defer cancel()
	to := "http://" + w.addr(shop.Flags) + "/api/admin/projects/" + shop.FlagProject + "/features/" + w.scenario.stored.on + "/environments/" + shop.FlagEnvironment + "/on"
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to, http.NoBody)
	if err != nil {
		return fmt.Errorf("switch a flag on: %w", err)
	}
	req.Header.Set("Authorization", w.switcher)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("switch a flag on: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	if text, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<10)); resp.StatusCode != http.StatusOK {
		return fmt.Errorf("switch a flag on: %d %s", resp.StatusCode, text)
	}
	return nil
}
