package demo

import "time"

// edit replaces old by new in one file; an empty old makes the file.
type edit struct{ path, old, new string }

// landing is something that landed on the main branch, and the services that were released with it.
type landing struct {
	key       string        // for reverts
	age       time.Duration // how long before the shop was opened, or before it breaks
	author    person
	committer person // zero: the author
	message   string // the text %REVERTED% is replaced by the commit that reverts names
	reverts   string
	edits     []edit
	branch    string // a merge: the branch whose one commit by author is merged by committer
	branchMsg string
	changeSet string   // what belongs together, such as a pull request; "" none
	releases  []string // services, in the order in which they go live
}

// first is where the shop's repository begins.
func first() landing {
	return landing{
		age: 6 * 24 * time.Hour, author: ingrid, message: "Four services and their settings\n",
		releases: []string{"login", "pricing", "orders", "storefront"},
	}
}

// harmless is what everybody did over the last hours, oldest first. None of it does any harm.
func harmless() []landing {
	return append(morning(), afternoon()...)
}

func morning() []landing {
	return []landing{
		{
			age: 7*time.Hour + 50*time.Minute, author: dependabot, committer: forge, changeSet: "#1167",
			message: "Bump sessions from 4.18.2 to 4.18.3 in /services/login (#1167)\n\nBumps sessions from 4.18.2 to 4.18.3.\n\n" +
				"---\nupdated-dependencies:\n- dependency-name: sessions\n  dependency-version: 4.18.3\n  dependency-type: direct:production\n" +
				"  update-type: version-update:semver-patch\n...\n\nSigned-off-by: dependabot[bot] <support@github.com>\n",
			edits:    []edit{{"services/login/dependencies.json", `"sessions": "4.18.2"`, `"sessions": "4.18.3"`}},
			releases: []string{"login"},
		},
		{
			age: 7*time.Hour + 5*time.Minute, author: ingrid, message: "Runbook: where the logs are\n",
			edits: []edit{{"docs/runbook.md", "one file a service.", "one file a service, under `log/`."}},
		},
		{
			age: 6*time.Hour + 20*time.Minute, author: mei, committer: forge, changeSet: "#1170",
			message:  "Say on the cart page how long shipping takes (#1170)\n\n" + claudeCode + "\n",
			edits:    []edit{{"services/storefront/cart.html", "<p class=\"shipping\">With", "<p class=\"shipping\">Comes with"}},
			releases: []string{"storefront"},
		},
		{
			age: 5*time.Hour + 45*time.Minute, author: aider, committer: aider,
			message:  "feat: lock an account after six wrong passwords\n",
			edits:    []edit{{"services/login/service.json", `"lockout_after": 5`, `"lockout_after": 6`}},
			releases: []string{"login"},
		},
		{
			age: 5*time.Hour + 10*time.Minute, author: ingrid, committer: forge, changeSet: "#1172",
			message: "Merge pull request #1172 from example/ingrid/order-lines\n\nAllow fifty lines in an order\n",
			branch:  "ingrid/order-lines", branchMsg: "Allow fifty lines in an order\n\nA school orders its whole library at once.\n",
			edits:    []edit{{"services/orders/service.json", `"max_lines": 40`, `"max_lines": 50`}},
			releases: []string{"orders"},
		},
		{
			age: 4*time.Hour + 25*time.Minute, author: copilot, committer: forge, changeSet: "#1173",
			message: "Add a check of the cart page (#1173)\n\n" + agentLogs + "\n\nCo-authored-by: " + samuel.String() + "\n",
			edits:   []edit{{path: "services/storefront/checks/cart.txt", new: "GET /cart?user=ada&cart=mug:1&currency=EUR\nexpect 200\nexpect class=\"total\"\n"}},
		},
		{
			age: 3*time.Hour + 40*time.Minute, author: samuel, committer: forge, changeSet: "#1175",
			message:  "Raise the bulk discount to five percent (#1175)\n\n" + cursor + "\n",
			edits:    []edit{{"services/pricing/discounts.json", `"percent": 3`, `"percent": 5`}},
			releases: []string{"pricing"},
		},
	}
}

func afternoon() []landing {
	return []landing{
		{
			key: "pictures", age: 3*time.Hour + 5*time.Minute, author: mei, changeSet: "#1176", committer: forge,
			message:  "Larger product pictures (#1176)\n",
			edits:    []edit{{"services/storefront/service.json", `"pictures": "medium"`, `"pictures": "large"`}},
			releases: []string{"storefront"},
		},
		{
			age: 2*time.Hour + 30*time.Minute, author: mei, reverts: "pictures",
			message:  "Revert \"Larger product pictures (#1176)\"\n\nThis reverts commit %REVERTED%.\n\nThey do not fit on phones.\n",
			edits:    []edit{{"services/storefront/service.json", `"pictures": "large"`, `"pictures": "medium"`}},
			releases: []string{"storefront"},
		},
		{
			age: time.Hour + 50*time.Minute, author: tomas, message: "orders: promise three days, as the new carrier does\n\n" + assistedBy + "\n",
			edits: []edit{
				{"services/orders/shipping.json", `"carrier": "parcel post"`, `"carrier": "Nordic Parcel"`},
				{"services/orders/shipping.json", `"days": 4`, `"days": 3`},
			},
			releases: []string{"orders"},
		},
		{
			age: time.Hour + 10*time.Minute, author: ingrid, message: "Alerts: say who is called for which service\n",
			edits: []edit{{"ops/alerts.md", "open an alert.", "open an alert. The team that owns the service is called."}},
		},
		{
			age: 35 * time.Minute, author: samuel, committer: forge, changeSet: "#1179", message: "Stay logged in for an hour (#1179)\n",
			edits:    []edit{{"services/login/service.json", `"session_minutes": 30`, `"session_minutes": 60`}},
			releases: []string{"login"},
		},
		{
			age: 12 * time.Minute, author: mei, message: "Autumn greeting on the cart page\n",
			edits:    []edit{{"services/storefront/cart.html", "<h1>Hello", "<h1>Happy autumn,"}},
			releases: []string{"storefront"},
		},
	}
}
