package config_test

import (
	"strings"
	"testing"

	"github.com/backout-dev/backout/config"
)

func TestASecretThatCannotBeHadIsNamedByItsOwnLine(t *testing.T) {
	schema := []config.ProviderSchema{{Type: "probe", Fields: []config.Field{
		{Name: "token", Type: config.Secret},
		{Name: "headers", Type: config.Map},
		{Name: "checks", Type: config.Objects, Fields: []config.Field{
			{Name: "name", Type: config.String},
			{Name: "secret_header", Type: config.Object, Fields: []config.Field{{Name: "value", Type: config.Secret}}},
		}},
	}}}
	for settings, want := range map[string]string{
		"    token: {env: BACKOUT_TEST_NOT_SET}\n":                                                             ":4: provider probe: token: environment variable BACKOUT_TEST_NOT_SET is not set",
		"    token:\n      file: not-there\n":                                                                  ":4: provider probe: token: read secret: ",
		"    headers:\n      X-A: b\n      X-B: {env: BACKOUT_TEST_NOT_SET}\n":                                 ":6: provider probe: headers: X-B: environment variable",
		"    checks:\n      - name: a\n        secret_header:\n          value: {env: BACKOUT_TEST_NOT_SET}\n": ":7: provider probe: checks: secret_header: value: environment variable",
	} {
		path := write(t, t.TempDir(), "backout.yaml", "providers:\n  probe:\n    # here\n"+settings)
		cfg, err := config.Load(config.Options{Path: path, Providers: schema})
		if err != nil {
			t.Fatal(err)
		}
		var into map[string]any
		if err := cfg.Providers[0].Decode(t.Context(), &into); err == nil || !strings.HasPrefix(err.Error(), path+want) {
			t.Errorf("%v, want %s%s", err, path, want)
		}
	}
}
