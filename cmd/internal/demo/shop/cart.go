package shop

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// line is one article of a cart.
type line struct {
	article  string
	quantity int
}

// parseCart reads "lamp:1,kettle:2".
func parseCart(text string) ([]line, error) {
	var cart []line
	for part := range strings.SplitSeq(text, ",") {
		article, q, _ := strings.Cut(part, ":")
		n, err := strconv.Atoi(q)
		if err != nil || article == "" || strings.ContainsAny(article, " \t\r\n") || n < 1 || n > 1000 || len(cart) > 50 {
			return nil, faultf(http.StatusBadRequest, "%q is not a cart such as lamp:1,kettle:2", text)
		}
		cart = append(cart, line{article: article, quantity: n})
	}
	return cart, nil
}

// convert turns euro cents into units of 10^-digits of a currency, rounded by the currency's rule.
func convert(cents int64, c currency, digits int) (int64, error) {
	n, d := cents*c.RateMillionths, int64(100_000_000)
	for range digits {
		n *= 10
	}
	q, rest := n/d, n%d
	switch c.Rounding {
	case "down":
	case "half-up":
		if rest*2 >= d {
			q++
		}
	case "half-even":
		if rest*2 > d || (rest*2 == d && q%2 == 1) {
			q++
		}
	default:
		return 0, fmt.Errorf("currency table: no rounding rule %q", c.Rounding)
	}
	return q, nil
}

func decimal(minor int64, digits int) string {
	if digits == 0 {
		return strconv.FormatInt(minor, 10)
	}
	s := fmt.Sprintf("%0*d", digits+1, minor)
	return s[:len(s)-digits] + "." + s[len(s)-digits:]
}
