package main

import (
	"os"
	"os/user"

	"golang.org/x/crypto/ssh"

	"github.com/backout-dev/backout/cmd/internal/caller"
	"github.com/backout-dev/backout/cmd/internal/session"
	"github.com/backout-dev/backout/config"
	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/rollback/ledger"
	"github.com/backout-dev/backout/rollback/policy"
)

// caller says who acts, from what is seen of this process and what is configured.
func (a *app) caller(s *settings) (caller.Caller, error) {
	table, err := caller.Known()
	if err != nil {
		return caller.Caller{}, err
	}
	if a.sight == nil {
		seen := caller.Look(nil, a.boundary)
		a.sight = &seen
	}
	seen := *a.sight
	seen.Env = a.env
	says := caller.Configured{Name: s.Identity.Name, Kind: s.Identity.Kind, Login: login()}
	for _, own := range s.Identity.Agents {
		says.Agents = append(says.Agents, caller.Agent{Name: own.Name, Env: own.Env, Process: own.Process})
	}
	says.People = session.People(s.Principals)
	if s.Ledger.SigningKey != "" {
		if key, err := session.PublicKey(s.Ledger.SigningKey); err == nil { // what is wrong with it, who signs is told
			says.Key = ssh.FingerprintSHA256(key)
		}
	}
	return caller.Recognise(table, seen, says), nil
}

// member says what a principal belongs to now.
func (a *app) member(s *settings, id string) caller.Membership {
	return session.People(s.Principals).Member(id, caller.ReadRota(s.OnCall.File, s.OnCall.MaxAge), a.now())
}

// principal is who acts. Whoever cannot be told may do no more than an AI agent.
func (a *app) principal(s *settings) policy.Principal {
	if a.acting != nil {
		return *a.acting
	}
	c, err := a.caller(s)
	if err != nil {
		return policy.Principal{ID: "unknown", Kind: policy.Agent, OnBehalfOf: login()}
	}
	return c.Principal
}

// via is how a confirmation came here. One that nobody at a terminal can have given says so.
func (a *app) via(s *settings) string {
	if c, err := a.caller(s); err == nil && c.Principal.Kind == policy.Human && c.Attended == caller.No {
		return "command line, unattended"
	}
	return "command line"
}

func login() string {
	name := "unknown"
	if u, err := user.Current(); err == nil && u.Username != "" {
		name = u.Username
	}
	host, err := os.Hostname()
	if err != nil || host == "" {
		return providers.Clean(name)
	}
	return providers.Clean(name + "@" + host)
}

// signedBy is the configuration without its human's key where an AI agent acts: what it writes is signed only by a key that is listed
// as its own.
func (a *app) signedBy(st *settings, who policy.Principal) *config.Config {
	if who.Kind != policy.Agent || st.Ledger.SigningKey == "" {
		return st.Config
	}
	if signers, err := readSigners(st.Ledger.AllowedSigners); err == nil && st.Ledger.AllowedSigners != "" {
		if key, err := session.PublicKey(st.Ledger.SigningKey); err == nil && signers.May(who.ID, key, ledger.EntryNamespace, a.now()) {
			return st.Config
		}
	}
	own := *st.Config
	own.Ledger.SigningKey = ""
	return &own
}
