package demo

import (
	"fmt"
	"strings"
	"time"

	"github.com/backout-dev/backout/cmd/internal/demo/shop"
)

// scenario is one incident, as data. Its name is for the person who picks it: nothing that the shop, its repository, its
// releases or its configuration hold tells of it.
type scenario struct {
	name, about string
	quiet       time.Duration // added to the age of all that was done before
	comes       []landing     // lands seconds before the shop breaks and then goes live, the last one first
	culprit     int           // index in comes, -1: no change is to blame
	dies        string        // a backing process that dies
	back        []string      // the services that have to go back together, in order
	edges       []edge
	clustered   bool     // the shop runs in a cluster, which a checkout brings up
	early       *landing // goes live before all that and does no harm
	stuck       *landing // goes live after that and never serves; the release before it goes on
	gameDay     *gameDay // is staged and not released: a game day does that
	stored      *stored  // orders has a database, and the shop flags
}

// edge is one entry of the catalogue's edges.
type edge struct{ From, To, Kind, Evidence string }

// Default is the scenario that is played where none is named.
const Default = "bad-release"

// Needy reports whether a scenario needs more than this program and git: a checkout, and minutes the first time.
func Needy(name string) bool {
	s, err := scenarioOf(name)
	return err == nil && s.clustered
}

// Scenarios lists the names, the default first, each with a line on what it is about.
func Scenarios() [][2]string {
	var out [][2]string
	for _, s := range scenarios() {
		out = append(out, [2]string{s.name, s.about})
	}
	return out
}

func scenarioOf(name string) (scenario, error) {
	if name == "" {
		name = Default
	}
	var names []string
	for _, s := range scenarios() {
		if s.name == name {
			return s, nil
		}
		names = append(names, s.name)
	}
	return scenario{}, fmt.Errorf("no scenario %q: there are %s", name, strings.Join(names, ", "))
}

func scenarios() []scenario {
	harmless, never := bystander(), strayComma()
	return []scenario{
		{
			name: Default, about: "one release among a dozen harmless changes breaks a service, and two others with it",
			comes: []landing{bystander(), cartLimits()}, culprit: 1, back: []string{shop.Pricing},
		},
		{
			name: "not-a-change", about: "a backing process dies; no change is to blame",
			quiet: 4 * time.Hour, culprit: -1, dies: shop.PriceDB,
		},
		{
			name: "coupled", about: "one change in two services that can only go back together",
			comes: []landing{bystander(), cartAPI()}, culprit: 1, back: []string{shop.Orders, shop.Pricing},
			edges: []edge{
				{
					From: shop.Orders, To: shop.Pricing, Kind: "requires",
					Evidence: "orders asks pricing in one API version only (services/orders/service.json, pricing_api)",
				},
				{
					From: windowUnit, To: shop.Orders, Kind: "order",
					Evidence: "only orders from #1184 on knows what the flag switches on (docs/runbook.md): off before orders goes back",
				},
			},
			stored: &stored{before: []landing{carriersTable(), noHotline()}, on: deliveryWindow, by: nadia},
		},
		{
			name: "kubernetes", about: "the shop in a Kubernetes cluster: a rollout that never got ready, and the one after it that breaks three services",
			clustered: true, early: &harmless, stuck: &never, comes: []landing{cartLimitsAndComma()}, back: []string{shop.Pricing},
		},
	}
}

// bystander lands at the same time and goes live right after the culprit, so that the latest change is not the one.
func bystander() landing {
	return landing{
		age: 50 * time.Second, author: samuel, committer: forge, changeSet: "#1180", message: "Greet Margaret by her full name (#1180)\n",
		edits:    []edit{{"services/login/users.json", `{"name": "Margaret"}`, `{"name": "Margaret Larsson"}`}},
		releases: []string{shop.Login},
	}
}

// cartLimits mistakes minor units for whole ones: every cart over 50 euros then is over the limit.
func cartLimits() landing {
	return landing{
		age: 20 * time.Second, author: nadia, committer: forge, changeSet: "#1181",
		message: "Write the cart limits in whole units, as the catalogue does (#1181)\n\n" +
			"Nobody could tell at a glance how much 500000 is.\n\n" + claudeCode + "\n",
		edits: []edit{
			{"services/pricing/limits.json", `"EUR": 500000`, `"EUR": 5000`},
			{"services/pricing/limits.json", `"SEK": 5500000`, `"SEK": 55000`},
		},
		releases: []string{shop.Pricing},
	}
}

// strayComma cannot be read as JSON, so that no pod of it ever gets ready.
func strayComma() landing {
	return landing{
		age: 40 * time.Second, author: samuel, committer: forge, changeSet: "#1178", message: "Raise the bulk discount to six percent (#1178)\n",
		edits:    []edit{{"services/pricing/discounts.json", `"percent": 5}`, `"percent": 6,}`}},
		releases: []string{shop.Pricing},
	}
}

// cartLimitsAndComma mends that, and carries what cartLimits does.
func cartLimitsAndComma() landing {
	l := cartLimits()
	l.message = "Write the cart limits in whole units, as the catalogue does (#1181)\n\n" +
		"Also takes out the comma that keeps the last release from starting.\n\n" + claudeCode + "\n"
	l.edits = append(l.edits, edit{"services/pricing/discounts.json", `"percent": 6,}`, `"percent": 6}`})
	return l
}

// cartAPI moves both ends to version 2 of the pricing API and forgets one currency of its table: the euro. It also adds a column, and
// asks for it behind a flag.
func cartAPI() landing {
	return landing{
		age: 20 * time.Second, author: nadia, committer: forge, changeSet: "#1184",
		message: "Cart totals in minor units: pricing API v2 (#1184)\n\npricing serves v2, orders asks in v2. Orders also says by when a parcel comes at the latest,\n" +
			"behind the flag " + deliveryWindow + ".\n\n" + claudeCode + "\n",
		edits: []edit{
			{"services/pricing/service.json", `"serves": ["v1"]`, `"serves": ["v2"]`},
			{"services/pricing/currencies.json", `11430000, "digits": 2,`, `11430000, "digits": 2, "minor_units": 2,`},
			{"services/pricing/currencies.json", `163200000, "digits": 0,`, `163200000, "digits": 0, "minor_units": 0,`},
			{"services/orders/service.json", `"pricing_api": "v1"`, `"pricing_api": "v2"`},
			{"services/orders/service.json", `"carriers": ["days"]`, `"carriers": ["days", "latest"],` + "\n  " + `"window_flag": "` + deliveryWindow + `"`},
			{path: migrations + "/00003_latest.sql", new: latestSQL},
		},
		releases: []string{shop.Pricing, shop.Orders},
	}
}
