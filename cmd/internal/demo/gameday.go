package demo

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/template"
	"time"

	"github.com/backout-dev/backout/cmd/internal/demo/shop"
)

//go:embed gamedays
var gameDayFiles embed.FS

// What the game days' programs call this executable with.
const (
	deployCommand = "deploy"
	keeperCommand = "keep"
)

// switches is the unit that holds what is switched on and off for everybody.
const switches = "switches"

// stagedBuild is the number of the first build of what is staged for a game day, so that a scenario can name it.
const stagedBuild = 100

// gameDay is what a world has beside the shop so that a scenario of a game day can be played in it.
type gameDay struct {
	name, about string
	before      []landing // was released long ago
	staged      []landing // landed, built, and never released: r301 is the first
	keeper      bool      // the price store answers while a keeper renews its lease
}

// GameDays lists the names of the game days, each with a line on what it is about.
func GameDays() [][2]string {
	var out [][2]string
	for _, g := range gameDays() {
		out = append(out, [2]string{g.name, g.about})
	}
	return out
}

func gameDayOf(name string) (scenario, error) {
	var names []string
	for _, g := range gameDays() {
		if g.name == name {
			return scenario{name: name, culprit: -1, quiet: time.Hour, gameDay: &g}, nil
		}
		names = append(names, g.name)
	}
	return scenario{}, fmt.Errorf("no game day %q: there are %s", name, strings.Join(names, ", "))
}

func gameDays() []gameDay {
	return []gameDay{
		{name: "checkout-outage", about: "one deployment breaks login, pricing and orders at once", staged: []landing{commonFormat()}},
		{name: "agent-rights", about: "an agent deploys around the two-person rule, with its operator's rights", staged: []landing{rebuiltLimits()}},
		{name: "suspended-reconciler", about: "a reconciler was suspended and nobody remembers", before: []landing{keeperNote()}, keeper: true},
		{name: "reused-flag", about: "a switch is used again with a new meaning, and old code still knows the old one", before: []landing{firstSwitches()}, staged: []landing{fastLane(), fastLaneOn()}},
	}
}

// commonFormat moves three services to another format of their settings at once, and gets each of them wrong.
func commonFormat() landing {
	return landing{
		age: 25 * time.Minute, author: nadia, committer: forge, changeSet: "#1190",
		message: "Common settings format 7 in login, pricing and orders (#1190)\n\nOne format for accounts, currencies and versions, so that one tool can write them all.\n",
		edits: []edit{
			{"services/login/users.json", `"ada"`, `"ada@example.com"`},
			{"services/login/users.json", `"grace"`, `"grace@example.com"`},
			{"services/pricing/currencies.json", `"EUR": {"rate_millionths": 1000000, "digits": 2, "rounding": "half-even"}`, `"EUR": {"rate_millionths": 1000000, "digits": 2, "rounding": "HALF_EVEN"}`},
			{"services/orders/service.json", `"pricing_api": "v1"`, `"pricing_api": "7"`},
		},
		releases: []string{shop.Login, shop.Pricing, shop.Orders},
	}
}

// rebuiltLimits is an agent's work that nobody reviewed: no pull request, and its operator's account deploys it.
func rebuiltLimits() landing {
	return landing{
		age: 8 * time.Minute, author: copilot, committer: copilot,
		message: "Rebuild the price limits from scratch\n\nThe table looked out of date, so it was deleted and made anew.\n\n" + agentLogs + "\n\nCo-authored-by: " + ingrid.String() + "\n",
		edits: []edit{
			{"services/pricing/limits.json", `"EUR": 500000`, `"EUR": 0`},
			{"services/pricing/limits.json", `"SEK": 5500000`, `"SEK": 0`},
		},
		releases: []string{shop.Pricing},
	}
}

// keeperNote is what somebody who reads the runbook finds of the keeper.
func keeperNote() landing {
	return landing{
		age: 27 * time.Hour, author: tomas, message: "Runbook: what the keeper of the price store does\n",
		edits: []edit{{"docs/runbook.md", "- Logs:", "- The price store answers while `shop/pricedb.lease` is fresh; the keeper renews it every second, unless\n  `shop/keeper.suspended` is there. Taking that file away has it go on.\n- Logs:"}},
	}
}

func firstSwitches() landing {
	return landing{
		age: 26 * time.Hour, author: tomas, message: "Switches: one file for what is switched for everybody\n",
		edits:    []edit{{path: "services/switches/switches.json", new: "{\n  \"fast_lane\": false\n}\n"}},
		releases: []string{switches},
	}
}

// fastLane does no harm by itself: it promises less days.
func fastLane() landing {
	return landing{
		age: 40 * time.Minute, author: mei, committer: forge, changeSet: "#1191", message: "orders: a fast lane, behind the switch fast_lane (#1191)\n",
		edits:    []edit{{"services/orders/shipping.json", `"days": 3`, `"days": 2`}},
		releases: []string{shop.Orders},
	}
}

// fastLaneOn switches on what pricing still takes for a rehearsal.
func fastLaneOn() landing {
	return landing{
		age: 15 * time.Minute, author: mei, committer: forge, changeSet: "#1192", message: "Switch the fast lane on (#1192)\n",
		edits:    []edit{{"services/switches/switches.json", `"fast_lane": false`, `"fast_lane": true`}},
		releases: []string{switches},
	}
}

// extra are the units that only a game day's world has.
func (s scenario) extra() []string {
	if g := s.gameDay; g != nil && len(g.before) > 0 {
		return g.before[0].releases
	}
	return nil
}

// stage lands what a game day needs: some of it released long ago, the rest built and not released.
func (w *World) stage(ctx context.Context, now time.Time) error {
	g := w.scenario.gameDay
	if g == nil {
		return nil
	}
	for i, l := range append(g.before, g.staged...) {
		at := now.Add(-l.age)
		if _, err := w.repo.land(ctx, l, at, ""); err != nil {
			return err
		}
		staged := i >= len(g.before)
		if i == len(g.before) {
			w.host.builds = stagedBuild
		}
		for _, service := range l.releases {
			build := w.host.release
			if staged {
				build = w.host.build
			}
			if err := build(ctx, w.repo, service, l, at.Add(90*time.Second)); err != nil {
				return w.linkHint(err)
			}
		}
	}
	return nil
}

// startGameDay starts what a game day has beside the shop, and gives the arguments by which the services find it.
func (w *World) startGameDay(ctx context.Context) (map[string][]string, error) {
	more := map[string][]string{}
	if w.scenario.extra() != nil {
		more[shop.Pricing] = []string{"--switches", w.host.service(switches)}
	}
	if g := w.scenario.gameDay; g != nil && g.keeper {
		lease := filepath.Join(w.dir, "shop", "pricedb.lease")
		if err := shop.Renew(lease); err != nil {
			return nil, fmt.Errorf("start the keeper: %w", err)
		}
		more[shop.PriceDB] = []string{"--lease", lease}
		if err := w.add(ctx, &child{name: "keeper", args: []string{"keeper", "--lease", lease}}); err != nil {
			return nil, err
		}
	}
	return more, nil
}

// GameDayPath is the scenario file of the world's game day; it is there after Start.
func (w *World) GameDayPath() string {
	return filepath.Join(w.dir, "gamedays", w.scenario.name+".yaml")
}

// writeGameDay writes the scenario, and adds to the configuration where it may be played and with which programs.
func (w *World) writeGameDay() error {
	if w.scenario.gameDay == nil {
		return nil
	}
	scenario, err := gameDayFiles.ReadFile("gamedays/" + w.scenario.name + ".yaml")
	if err != nil {
		return fmt.Errorf("write the game day: %w", err)
	}
	t, err := template.New("backout.yaml.tmpl").Funcs(template.FuncMap{"quote": quote}).ParseFS(gameDayFiles, "gamedays/backout.yaml.tmpl")
	if err != nil {
		return fmt.Errorf("write the game day: %w", err)
	}
	var b bytes.Buffer
	err = t.Execute(&b, struct {
		Self, Child, Deploy, Keep, Shop string
		Units                           []unit
	}{w.self, ChildCommand, deployCommand, keeperCommand, filepath.Join(w.dir, "shop"), units(w.addr)})
	if err != nil {
		return fmt.Errorf("write the game day: %w", err)
	}
	f, err := os.OpenFile(w.ConfigPath(), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("write the game day: %w", err)
	}
	_, err = f.Write(b.Bytes())
	err = errors.Join(err, f.Close(), os.MkdirAll(filepath.Dir(w.GameDayPath()), 0o755), os.WriteFile(w.GameDayPath(), scenario, 0o644))
	if err != nil {
		return fmt.Errorf("write the game day: %w", err)
	}
	return nil
}

// deploy is what a deployment tool does: SHOP ACCOUNT SERVICE RELEASE points the service to a release that is there.
func deploy(args []string) error {
	if len(args) != 4 {
		return errors.New("deploy takes the shop's directory, an account, a service and a release")
	}
	h, service, label := &host{dir: args[0]}, args[2], args[3]
	if filepath.Base(service) != service || filepath.Base(label) != label {
		return fmt.Errorf("deploy: %q and %q are names, not paths", service, label)
	}
	commit, err := os.ReadFile(filepath.Join(h.service(service), "releases", label, "REVISION"))
	if err != nil {
		return fmt.Errorf("deploy: there is no such release: %w", err)
	}
	return h.goLive(service, label, strings.TrimSpace(string(commit)), args[1], time.Now())
}
