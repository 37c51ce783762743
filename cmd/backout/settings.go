package main

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/adrg/xdg"
	"gopkg.in/natefinch/lumberjack.v2"

	"github.com/backout-dev/backout/config"
	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/all"
	"github.com/backout-dev/backout/providers/git"
	"github.com/backout-dev/backout/rollback/store"
)

// bareSince is the window where nothing is configured: a repository lands less in a day than an environment changes.
const bareSince = 30 * 24 * time.Hour

// clusterSince is the window where nothing is configured and a cluster is shown: a day has the change that hurts only now.
const clusterSince = 24 * time.Hour

// settings is the loaded configuration with the directories made absolute.
type settings struct {
	*config.Config
	registry *providers.Registry
	dir      string // the working directory
	stateDir string
	cacheDir string
	replay   bool // an incident file is shown instead of the providers
	bare     bool // nothing is configured
}

// load reads the configuration as flags and environment ask.
func (a *app) load() (*settings, error) {
	dir, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	registry, err := all.Registry()
	if err != nil {
		return nil, err
	}
	path := a.flags.config
	if path == "" {
		path = a.getenv("BACKOUT_CONFIG")
	}
	name := a.flags.context
	if name == "" {
		name = a.getenv("BACKOUT_CONTEXT")
	}
	cfg, err := config.Load(config.Options{
		Path: path, Dir: dir, UserFile: filepath.Join(xdg.ConfigHome, "backout", "config.yaml"), Context: name,
		Flags: a.flagValues(), Env: a.env, Providers: schemas(registry),
	})
	if err != nil {
		return nil, err
	}
	s := &settings{Config: cfg, registry: registry, dir: dir, replay: a.flags.file != ""}
	if len(cfg.Providers) == 0 && len(cfg.Files) == 0 {
		if s.bare = !a.kubeconfig(); s.bare {
			cfg.Since = bareSince
		} else {
			cfg.Since = clusterSince
		}
	}
	s.stateDir = s.resolve(cfg.StateDir, filepath.Join(xdg.StateHome, "backout"))
	if a.flags.store == "" && cfg.Store.URL != "" && store.IsFile(cfg.Store.URL) {
		cfg.Store.URL = s.resolve(cfg.Store.URL, "")
	}
	s.cacheDir = s.resolve(cfg.CacheDir, filepath.Join(xdg.CacheHome, "backout"))
	return s, nil
}

// reach has the window of a repository that nothing is configured for begin that long before its newest change, so that one
// that was quiet for a year shows what happened last. Whatever is wrong with the repository, its provider says.
func (s *settings) reach(ctx context.Context, now time.Time) {
	if !s.bare || s.replay {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	if newest, err := git.Newest(ctx, s.dir); err == nil && !newest.IsZero() {
		s.Since = bareSince + max(now.Sub(newest), 0).Truncate(time.Minute)
	}
}

// resolve makes a configured directory absolute: it is relative to the file that is strongest.
func (s *settings) resolve(dir, fallback string) string {
	switch {
	case dir == "":
		return fallback
	case filepath.IsAbs(dir):
		return dir
	case len(s.Files) > 0:
		base, err := filepath.Abs(filepath.Dir(s.Files[0]))
		if err == nil {
			return filepath.Join(base, dir)
		}
	}
	return filepath.Join(s.dir, dir)
}

// flagValues are the settings that were given as flags, by their key.
func (a *app) flagValues() map[string]any {
	out := map[string]any{}
	set := func(flag, key string, value any) {
		if a.flags.set != nil && a.flags.set.Changed(flag) {
			out[key] = value
		}
	}
	set("store", "store.url", a.flags.store)
	set("env", "environment", a.flags.environment)
	set("readonly", "readonly", a.flags.readonly)
	if a.flags.write {
		out["readonly"] = false
	}
	if t, _ := parseTime(a.flags.since, a.now()); !t.IsZero() && t.Before(a.now()) {
		out["since"] = a.now().Sub(t).Round(time.Second).String()
	}
	set("ascii", "tui.ascii", a.flags.ascii)
	set("color", "tui.color", a.flags.color)
	if a.flags.verbose > 0 {
		out["log_level"] = "debug"
	}
	return out
}

// schemas turns the providers' fields into the configuration's, so that neither room needs to know the other.
func schemas(r *providers.Registry) []config.ProviderSchema {
	var out []config.ProviderSchema
	for _, typ := range r.Types() {
		f, _ := r.Lookup(typ)
		out = append(out, config.ProviderSchema{Type: typ, Help: f.Help, Fields: fields(f.Fields)})
	}
	return out
}

func fields(in []providers.Field) []config.Field {
	out := make([]config.Field, len(in))
	for i, f := range in {
		out[i] = config.Field{
			Name: f.Name, Type: config.FieldType(f.Type), Required: f.Required, Default: f.Default, Enum: f.Enum, Help: f.Help, Fields: fields(f.Fields),
		}
	}
	return out
}

// logger writes to a rotated file in the state directory, never to the screen.
func (s *settings) logger() (*slog.Logger, func() error) {
	level := slog.LevelInfo
	_ = level.UnmarshalText([]byte(s.LogLevel)) // checked when it was loaded
	file := &lumberjack.Logger{Filename: logPath(s.stateDir), MaxSize: 10, MaxBackups: 3, MaxAge: 30}
	return slog.New(slog.NewTextHandler(file, &slog.HandlerOptions{Level: level})), file.Close
}
