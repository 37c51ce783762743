package git_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/backout-dev/backout/providers"
)

func TestMentionsAreOfOneServiceAndOneCommit(t *testing.T) {
	r := newRepository(t)
	old := r.commit("old", "cart/main.go", `if flag("new-cart") { trade() }`+"\n", "login/main.go", "nothing\n")
	bin := r.commit("binary", "cart/blob", "\x00new-binary\x00", "cart/main.go", "if flag(\"new-cart-2\") || flag('v1.cart') {}\nflagnew-cart\n", "login/main.go", "new-cart new-login\n")
	odd := r.commit("odd names", "cart/a\nb.txt", "new-login\n", "cart/a:b.txt", "say new-cart, twice: new-cart\n", "cart/main.go", "\n")
	p := newProvider(t, r.dir, options{"services": []map[string]string{{"path": "*", "service": "$1"}}}).(providers.NameFinder)
	names := []string{"new-cart", "new-cart-2", "v1.cart", "v1xcart", "new-login", "new-binary", "--open-files-in-pager=sh"}
	for _, c := range []struct{ service, commit, want string }{
		{"cart", old, "new-cart"},
		{"cart", old[:12], "new-cart"},
		{"login", old, ""},
		{"cart", bin, "new-cart-2 v1.cart"},
		{"login", bin, "new-cart new-login"},
		{"cart", odd, "new-cart"},
		{"web", bin, ""},
	} {
		got, err := p.NamesIn(t.Context(), c.service, c.commit, names)
		if slices.Sort(got); err != nil || strings.Join(got, " ") != c.want {
			t.Errorf("%s at %s: %q %v, want %q", c.service, c.commit, got, err, c.want)
		}
	}
	for _, commit := range []string{strings.Repeat("0", 40), "main", "", "--help", "HEAD~1"} {
		if got, err := p.NamesIn(t.Context(), "cart", commit, names); !errors.Is(err, providers.ErrNotFound) || len(got) > 0 {
			t.Errorf("at %q: %q %v", commit, got, err)
		}
	}
}
