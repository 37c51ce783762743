//go:build !linux

package releases

var exchangeNames func(a, b string) error

func canExchange(string) bool { return false }

func unsupported(error) bool { return false }
