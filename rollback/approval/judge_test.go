package approval

import (
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"pgregory.net/rapid"

	"github.com/backout-dev/backout/rollback/ledger"
	"github.com/backout-dev/backout/rollback/policy"
)

var (
	noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	hash = strings.Repeat("9c", 32)
)

// crew is people with real keys: a has two, d's is an agent's.
type crew struct {
	keys   map[string]ssh.Signer
	file   string
	people *People
}

func newCrew(t interface{ Fatal(...any) }, change func(*Directory)) *crew {
	c := &crew{keys: map[string]ssh.Signer{}}
	var file strings.Builder
	for _, k := range []struct{ key, names string }{
		{"a1", "a,a@laptop"}, {"a2", "a@laptop"}, {"b1", "b"}, {"c1", "c"}, {"d1", "d"}, {"any", "*"}, {"past", "p"},
	} {
		_, private, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		signer, err := ssh.NewSignerFromKey(private)
		if err != nil {
			t.Fatal(err)
		}
		c.keys[k.key] = signer
		option := ""
		if k.key == "past" {
			option = `valid-before="20200101Z" `
		}
		fmt.Fprintf(&file, "%s %s%s", k.names, option, ssh.MarshalAuthorizedKey(signer.PublicKey()))
	}
	c.file = file.String()
	signers, err := ledger.ParseSigners(strings.NewReader(c.file))
	if err != nil {
		t.Fatal(err)
	}
	d := Directory{
		Signers: signers, Machines: []string{"d"}, Groups: map[string][]string{"sre": {"a", "b", "c"}}, Roles: map[string][]string{"ic": {"c"}},
		Aliases: [][]string{{"c", "Carla Example"}},
	}
	if change != nil {
		change(&d)
	}
	c.people = NewPeople(d)
	return c
}

func word(by, decision string, at time.Time) Statement {
	nonce := make([]byte, nonceSize)
	_, _ = rand.Read(nonce)
	return Statement{
		Version: 1, Request: "REQ", Plan: hash, Units: []string{"releases:local/shop"}, Environment: "prod", Direction: "back", Decision: decision,
		By: policy.Principal{ID: by, Kind: policy.Human}, At: at, Expires: at.Add(time.Hour), Nonce: fmt.Sprintf("%x", nonce),
	}
}

func (c *crew) sign(t interface{ Fatal(...any) }, key string, s Statement) Signed {
	text, err := s.Text()
	if err != nil {
		t.Fatal(err)
	}
	blob, err := ledger.Sign(c.keys[key], Namespace, text)
	if err != nil {
		t.Fatal(err)
	}
	return Signed{s, blob}
}

func (c *crew) says(t interface{ Fatal(...any) }, key, by, decision string, at time.Time) Given {
	g, err := c.people.Verify(c.sign(t, key, word(by, decision, at)), at)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func two() policy.Need {
	return policy.Need{
		Rule: "two", Any: []policy.Threshold{{Approve: 2, From: policy.Who{Group: "sre"}}, {Approve: 1, From: policy.Who{Role: "ic"}}},
		Not: []string{"on_behalf_of", "change.author", "change.driver"}, ApprovalExpires: 30 * time.Minute, ExecutionExpires: 10 * time.Minute,
	}
}

func asked() Facts { return Facts{Request: "REQ", Plan: hash, Requester: "a"} }

func TestJudge(t *testing.T) {
	c := newCrew(t, nil)
	at := noon
	now := noon.Add(time.Minute)
	a, a2, b, ic := c.says(t, "a1", "a", Yes, at), c.says(t, "a2", "a@laptop", Yes, at), c.says(t, "b1", "b", Yes, at), c.says(t, "c1", "c", Yes, at)
	no := c.says(t, "b1", "b", No, at.Add(time.Second))
	revoked := c.says(t, "a2", "a@laptop", Revoke, at.Add(time.Second))
	not := two()
	not.Not = []string{"requester"}
	late, used, other, again := b, b, b, b
	late.Late, used.Run = true, "RUN-1"
	other.Plan = strings.Repeat("00", 32)
	again.Request = "REQ2"
	for name, tc := range map[string]struct {
		need  policy.Need
		facts Facts
		given []Given
		now   time.Time
		met   bool
		says  string
	}{
		"nobody":               {two(), asked(), nil, now, false, "2 more of group sre, or 1 more of role ic"},
		"two people":           {two(), asked(), []Given{a, b}, now, true, ""},
		"two keys of one":      {two(), asked(), []Given{a, a2}, now, false, "1 more of group sre"},
		"one who may alone":    {two(), asked(), []Given{ic}, now, true, ""},
		"the author":           {two(), Facts{Request: "REQ", Plan: hash, Author: "Carla Example"}, []Given{ic}, now, false, "1 more of role ic"},
		"for whom it is":       {two(), Facts{Request: "REQ", Plan: hash, OnBehalfOf: "A"}, []Given{a2, b}, now, false, "1 more of group sre"},
		"the driver":           {two(), Facts{Request: "REQ", Plan: hash, Driver: "b"}, []Given{a, b}, now, false, "1 more of group sre"},
		"refused":              {two(), asked(), []Given{a, ic, no}, now, false, "refused by b"},
		"taken back elsewhere": {two(), asked(), []Given{a, b, revoked}, now, false, "1 more of group sre"},
		"late":                 {two(), asked(), []Given{a, late}, now, false, "1 more"},
		"used":                 {two(), asked(), []Given{a, used}, now, false, "1 more"},
		"another plan":         {two(), asked(), []Given{a, other}, now, false, "1 more"},
		"another request":      {two(), asked(), []Given{a, again}, now, false, "1 more"},
		"too old":              {two(), asked(), []Given{a, b}, at.Add(30 * time.Minute), false, "too old: the yes of a, b"},
		"not begun in time":    {two(), asked(), []Given{a, b}, at.Add(10 * time.Minute), false, "within 10m0s of the last yes"},
		"unproven requester":   {not, asked(), []Given{ic}, now, false, "a has to prove by a key"},
		"proven requester":     {not, asked(), []Given{ic, c.says(t, "a1", "a", Ask, at)}, now, true, ""},
		"proven, and approves": {not, asked(), []Given{a2, b, c.says(t, "a1", "a", Ask, at)}, now, false, "1 more of group sre"},
		"proven by another":    {not, asked(), []Given{ic, c.says(t, "b1", "b", Ask, at)}, now, false, "a has to prove by a key"},
		"names nobody":         {policy.Need{Rule: "none"}, asked(), []Given{a, b, ic}, now, false, "names nobody"},
	} {
		got := Judge(tc.need, tc.facts, tc.given, c.people, tc.now)
		if got.Met != tc.met || !strings.Contains(got.Missing, tc.says) {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestWhoseWordItIs(t *testing.T) {
	c := newCrew(t, nil)
	agent := word("b", Yes, noon)
	agent.By.Kind = policy.Agent
	forged := c.sign(t, "b1", word("b", Yes, noon))
	forged.Statement.Plan = strings.Repeat("00", 32)
	for name, tc := range map[string]struct {
		s    Signed
		says string
	}{
		"an agent":            {c.sign(t, "b1", agent), "only people approve"},
		"a machine's key":     {c.sign(t, "d1", word("d", Yes, noon)), "automation or an AI agent"},
		"another's key":       {c.sign(t, "b1", word("c", Yes, noon)), "is not one of c"},
		"a key of a pattern":  {c.sign(t, "any", word("c", Yes, noon)), "is not one of c"},
		"the pattern itself":  {c.sign(t, "any", word("*", Yes, noon)), "is not one of *"},
		"a key of the past":   {c.sign(t, "past", word("p", Yes, noon)), "is not one of p"},
		"dated into the past": {c.sign(t, "past", word("p", Yes, time.Date(2019, 1, 1, 0, 0, 0, 0, time.UTC))), "is not one of p"},
		"not yet said":        {c.sign(t, "b1", word("b", Yes, noon.Add(time.Hour))), "which is not yet"},
		"altered":             {forged, "does not hold"},
	} {
		if _, err := c.people.Verify(tc.s, noon); err == nil || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// scene is a world of words, of which some do not count.
func scene(t *rapid.T, c *crew) (policy.Need, Facts, []Given) {
	need := policy.Need{Rule: "r", Deny: rapid.IntRange(0, 2).Draw(t, "deny")}
	for range rapid.IntRange(1, 2).Draw(t, "ways") {
		need.Any = append(need.Any, policy.Threshold{Approve: rapid.IntRange(0, 2).Draw(t, "approve"), From: rapid.SampledFrom([]policy.Who{{}, {Group: "sre"}, {Role: "ic"}, {Principal: "b"}}).Draw(t, "from")})
	}
	if rapid.Bool().Draw(t, "not") {
		need.Not = []string{"requester", "change.author"}
	}
	need.ApprovalExpires = time.Duration(rapid.IntRange(0, 40).Draw(t, "old")) * time.Minute
	need.ExecutionExpires = time.Duration(rapid.IntRange(0, 40).Draw(t, "begin")) * time.Minute
	f := asked()
	f.Author = rapid.SampledFrom([]string{"", "b", "Carla Example"}).Draw(t, "author")
	var given []Given
	for range rapid.IntRange(0, 6).Draw(t, "words") {
		g := said(t, c, rapid.SampledFrom([]string{Yes, Yes, Yes, No, Revoke, Ask}).Draw(t, "word"))
		given = append(given, g)
	}
	return need, f, given
}

func said(t *rapid.T, c *crew, decision string) Given {
	k := rapid.SampledFrom([][2]string{{"a1", "a"}, {"a2", "a@laptop"}, {"b1", "b"}, {"c1", "c"}}).Draw(t, "who")
	at := noon.Add(time.Duration(rapid.IntRange(0, 50).Draw(t, "at")) * time.Minute)
	s := word(k[1], decision, at)
	return Given{Statement: s, Key: ssh.FingerprintSHA256(c.keys[k[0]].PublicKey()), Recorded: at, person: keyNode(ssh.FingerprintSHA256(c.keys[k[0]].PublicKey()))}
}

// Nothing but a yes makes an unmet need met: no refusal, nobody who goes, no time that passes, no word that was used, came late or is of
// another plan.
func TestOnlyAYesMakesMet(t *testing.T) {
	c := newCrew(t, nil)
	met := 0
	rapid.Check(t, func(t *rapid.T) {
		need, f, given := scene(t, c)
		now := noon.Add(time.Duration(rapid.IntRange(0, 60).Draw(t, "now")) * time.Minute)
		is := func(given []Given, at time.Time) bool { return Judge(need, f, given, c.people, at).Met }
		if is(given, now) {
			met++
			return
		}
		refused := slices.ContainsFunc(given, func(g Given) bool { return g.Decision == No })
		if is(append(slices.Clone(given), said(t, c, No)), now) {
			t.Fatal("a refusal made it met")
		}
		if !refused && is(append(slices.Clone(given), said(t, c, Revoke)), now) { // it may take a refusal back
			t.Fatal("a revocation made it met")
		}
		if is(given, now.Add(time.Duration(rapid.IntRange(1, 100).Draw(t, "later"))*time.Minute)) {
			t.Fatal("time made it met")
		}
		yes := said(t, c, Yes)
		for i, spoil := range []func(*Given){
			func(g *Given) { g.Late = true },
			func(g *Given) { g.Run = "RUN-0001" },
			func(g *Given) { g.Plan = strings.Repeat("00", 32) },
			func(g *Given) { g.Request = "REQ2" },
			func(g *Given) { g.By.Kind = policy.Agent },
			func(g *Given) { g.By.Kind = policy.Automation },
			func(g *Given) { g.person = "" },
		} {
			g := yes
			if spoil(&g); is(append(slices.Clone(given), g), now) {
				t.Fatalf("a yes that does not count (%d) made it met", i)
			}
		}
		gone := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "gone")
		left := slices.DeleteFunc(slices.Clone(given), func(g Given) bool { return c.people.Same(g.By.ID, gone) })
		if !refused && is(left, now) { // who refused may be the one who goes
			t.Fatalf("without %s it is met", gone)
		}
	})
	if met == 0 {
		t.Error("no scene was met: the property says nothing")
	}
}
