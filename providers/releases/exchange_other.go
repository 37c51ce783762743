//go:build !linux

package releases

var exchangeNames func(a, b string) error

func canExchange(string) (bool, error) { return false, nil }

func unsupported(error) bool { return false }
