package git

import "github.com/backout-dev/backout/providers"

// At makes a provider tell where it is in a push.
func At(p providers.Provider, told func(point string)) { p.(*Reverter).at = told }
