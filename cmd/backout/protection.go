package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/backout-dev/backout/cmd/internal/session"
	"github.com/backout-dev/backout/rollback/ledger"
	"github.com/backout-dev/backout/rollback/policy"
	"github.com/backout-dev/backout/rollback/store"
)

// protection says what holds where recognition does not: whoever leaves no trace, and has what their human has, cannot be told
// apart by looking. A warning says what would hold and is not there.
func (a *app) protection(ctx context.Context, st *settings, who policy.Principal) ([]finding, *session.KeyFacts) {
	out := []finding{{"ok", "recognition", "AI agents are told by what they leave behind: a hint, not authentication (docs/principals.md)"}}
	key, err := session.SigningKey(ctx, st.Config, a.getenv("SSH_AUTH_SOCK"))
	switch {
	case err != nil:
		out = append(out, finding{"warn", "signing key", err.Error()})
	case key == nil:
		out = append(out, finding{"warn", "signing key", "none: what is written as " + who.ID + " can be written by whatever runs as this user; set ledger.signing_key"})
	default:
		out = append(out, keyFinding(key), a.listed(st, key, who))
	}
	switch {
	case st.Ledger.Require > 0:
		out = append(out, finding{"ok", "unsigned entries", fmt.Sprintf("'backout ledger verify' refuses them from entry %d on", st.Ledger.Require)})
	default:
		out = append(out, finding{"warn", "unsigned entries", "they pass: set ledger.require"})
	}
	return append(out, placeFinding(st)), key
}

func keyFinding(k *session.KeyFacts) finding {
	what := k.Fingerprint + " (" + k.Type + ")"
	switch {
	case k.Hardware:
		return finding{"ok", "signing key", what + " is held by a security key, which asks for a touch unless the key was made without (no-touch-required)"}
	case k.Agent:
		return finding{"warn", "signing key", what + " is held by the SSH agent: whatever reaches its socket can sign, unless it was added with ssh-add -c, which the agent does not tell"}
	default:
		return finding{"warn", "signing key", what + " is a file without a passphrase: whatever runs as this user can sign; a security key (ssh-keygen -t ed25519-sk) asks for a touch"}
	}
}

// listed says whether the file of signers knows the key as the one of who acts.
func (a *app) listed(st *settings, k *session.KeyFacts, who policy.Principal) finding {
	const what = "allowed signers"
	if st.Ledger.AllowedSigners == "" {
		return finding{"warn", what, "no file says whose key this is: set ledger.allowed_signers"}
	}
	signers, err := readSigners(st.Ledger.AllowedSigners)
	if err != nil {
		return finding{"warn", what, err.Error()}
	}
	names := signers.Who(k.Public, ledger.EntryNamespace, a.now())
	switch {
	case len(names) == 0:
		return finding{"warn", what, fmt.Sprintf("%s does not list the key %s", st.Ledger.AllowedSigners, k.Fingerprint)}
	case !slices.Contains(names, who.ID):
		return finding{"warn", what, fmt.Sprintf("the key is listed for %s, and not for %s", strings.Join(names, ", "), who.ID)}
	}
	return finding{"ok", what, "the key is " + who.ID + "'s"}
}

// placeFinding says who can write the record itself.
func placeFinding(st *settings) finding {
	const what = "the record's place"
	anchored := "a checkpoint elsewhere would show it: set ledger.anchors"
	state := "warn"
	if len(st.Ledger.Anchors) > 0 {
		state, anchored = "ok", "the anchors would show it ('backout ledger verify --anchors')"
	}
	if st.Store.URL == "" || store.IsFile(st.Store.URL) {
		return finding{state, what, "a file: whatever runs as this user can write it anew, and " + anchored}
	}
	return finding{state, what, "a shared server: what its role may do holds, and roles of their own for people and for agents keep them apart (docs/store.md); its owner can write it anew, and " + anchored}
}
