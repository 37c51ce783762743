package caller_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/backout-dev/backout/cmd/internal/caller"
	"github.com/backout-dev/backout/rollback/policy"
)

var staff = caller.People{
	{Name: "ana", Kind: policy.Human, Also: []string{"ana@laptop"}, Keys: []string{"SHA256:a1", "SHA256:a2"}, Groups: []string{"sre"}, Roles: []string{"lead"}},
	{Name: "cron", Kind: policy.Automation},
	{Name: "helper", Kind: policy.Agent, Keys: []string{"SHA256:h"}},
}

func TestRegistered(t *testing.T) {
	for name, c := range map[string]struct {
		says caller.Configured
		want policy.Principal
	}{
		"a person":                               {caller.Configured{Name: "ana", Key: "SHA256:a1"}, policy.Principal{ID: "ana", Kind: policy.Human}},
		"a person by another name":               {caller.Configured{}, policy.Principal{ID: "ana@laptop", Kind: policy.Human}},
		"an automation, whatever is said":        {caller.Configured{Name: "cron", Kind: "human"}, policy.Principal{ID: "cron", Kind: policy.Automation}},
		"an agent by its name, whatever is said": {caller.Configured{Name: "helper", Kind: "human"}, policy.Principal{ID: "helper", Kind: policy.Agent, OnBehalfOf: "ana@laptop"}},
		"an agent's key in a person's name":      {caller.Configured{Name: "ana", Key: "SHA256:h", Kind: "human"}, policy.Principal{ID: "helper", Kind: policy.Agent, OnBehalfOf: "ana"}},
		"a name that is not there":               {caller.Configured{Name: "bob", Key: "SHA256:b"}, policy.Principal{ID: "bob", Kind: policy.Human}},
	} {
		t.Run(name, func(t *testing.T) {
			c.says.Login, c.says.People = "ana@laptop", staff
			if got := caller.Recognise(table(t), caller.Sight{}, c.says); got.Principal != c.want {
				t.Errorf("got %+v, want %+v: %+v", got.Principal, c.want, got.Evidence)
			}
		})
	}
	if !staff.Same("ana@laptop", "ana") || !staff.Same("bob", "bob") || staff.Same("ana", "cron") {
		t.Error("two names of one principal are one, and of two are two")
	}
}

func TestMember(t *testing.T) {
	now := time.Date(2026, 11, 24, 3, 0, 0, 0, time.UTC)
	path := filepath.Join(t.TempDir(), "rota")
	for name, c := range map[string]struct {
		file, id string
		on       caller.Answer
		roles    string
		why      string
	}{
		"on call, in JSON":      {`{"at": "2026-11-24T02:50:00Z", "on_call": [{"principal": "ana@laptop", "role": "primary", "more": 1}]}`, "ana", caller.Yes, "lead,primary", ""},
		"on call, in YAML":      {"at: 2026-11-24T02:50:00Z\non_call:\n  - {principal: ana, until: 2026-11-24T04:00:00Z}\n", "ana@laptop", caller.Yes, "lead", ""},
		"off since an hour":     {"at: 2026-11-24T02:50:00Z\non_call: [{principal: ana, until: 2026-11-24T02:00:00Z}]", "ana", caller.No, "lead", ""},
		"somebody else":         {"at: 2026-11-24T02:50:00Z\non_call: [{principal: bob}]", "ana", caller.No, "lead", ""},
		"whom nobody registers": {"at: 2026-11-24T02:50:00Z\non_call: [{principal: bob, role: primary}]", "bob", caller.Yes, "primary", ""},
		"nobody":                {"at: 2026-11-24T02:50:00Z\non_call: []", "ana", caller.No, "lead", ""},
		"stale":                 {"at: 2026-11-24T01:50:00Z\non_call: [{principal: ana, role: primary}]", "ana", caller.Unknown, "lead", "1h10m0s old"},
		"from the future":       {"at: 2026-11-24T04:50:00Z\non_call: [{principal: ana}]", "ana", caller.Unknown, "lead", "ahead"},
		"not what it should be": {"[ana]", "ana", caller.Unknown, "lead", "read who is on call"},
		"empty":                 {"", "ana", caller.Unknown, "lead", "read who is on call"},
		"without the list":      {"at: 2026-11-24T02:50:00Z", "ana", caller.Unknown, "lead", "no list on_call"},
		"without a name":        {"on_call: [{role: primary}]", "ana", caller.Unknown, "lead", "no principal"},
	} {
		t.Run(name, func(t *testing.T) {
			if err := os.WriteFile(path, []byte(c.file), 0o600); err != nil {
				t.Fatal(err)
			}
			m := staff.Member(c.id, caller.ReadRota(path, time.Hour), now)
			if m.OnCall != c.on || strings.Join(m.Roles, ",") != c.roles || !strings.Contains(m.Why, c.why) || (c.why == "") != (m.Why == "") {
				t.Errorf("got %+v", m)
			}
			if c.id != "bob" && !slices.Equal(m.Groups, []string{"sre"}) {
				t.Errorf("groups %v", m.Groups)
			}
		})
	}
}

// A source that is not there says nothing; one that does not say when it was written is as old as its file.
func TestAgeOfTheRota(t *testing.T) {
	now := time.Date(2026, 11, 24, 3, 0, 0, 0, time.UTC)
	path := filepath.Join(t.TempDir(), "rota")
	if m := staff.Member("ana", caller.ReadRota("", time.Hour), now); m.OnCall != caller.Unknown || !strings.Contains(m.Why, "no source configured") {
		t.Errorf("without a source: %+v", m)
	}
	if m := staff.Member("ana", caller.ReadRota(path+"x", time.Hour), now); m.OnCall != caller.Unknown || m.Why == "" {
		t.Errorf("without the file: %+v", m)
	}
	if err := os.WriteFile(path, []byte("on_call: [{principal: ana}]"), 0o600); err != nil {
		t.Fatal(err)
	}
	for age, want := range map[time.Duration]caller.Answer{30 * time.Minute: caller.Yes, 2 * time.Hour: caller.Unknown} {
		if err := os.Chtimes(path, now, now.Add(-age)); err != nil {
			t.Fatal(err)
		}
		if m := staff.Member("ana", caller.ReadRota(path, time.Hour), now); m.OnCall != want {
			t.Errorf("written %s ago: %+v", age, m)
		}
	}
}
