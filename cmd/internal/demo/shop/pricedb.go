package shop

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"
)

// priceList holds prices in euro cents.
var priceList = map[string]int64{
	"lamp": 4995, "kettle": 3900, "chair": 12900, "desk": 34900, "rug": 8950, "shelf": 7900, "mug": 850, "candle": 495,
}

// runPriceDB is the backing store: one line with article names in, one line with their prices in euro cents out, "-"
// for an article that it does not have.
func runPriceDB(ctx context.Context, o options, stdout io.Writer) error {
	l, err := listen(ctx, o.addr, stdout)
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = l.Close() })
	defer stop()
	for {
		c, err := l.Accept()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("accept: %w", err)
		}
		if o.lease != "" && !fresh(o.lease, time.Now()) {
			_ = c.Close() // it may be somebody else's store by now
			continue
		}
		go answerPrices(c)
	}
}

func answerPrices(c net.Conn) {
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(2 * time.Second))
	line, err := bufio.NewReader(io.LimitReader(c, 4096)).ReadString('\n')
	if err != nil {
		return // a probe that only looks whether the port is open
	}
	var out []string
	for _, article := range strings.Fields(line) {
		if p, ok := priceList[article]; ok {
			out = append(out, strconv.FormatInt(p, 10))
		} else {
			out = append(out, "-")
		}
	}
	_, _ = fmt.Fprintln(c, strings.Join(out, " "))
}

// askPrices asks the store at addr for the prices of articles; an article without one is absent from the answer.
func askPrices(ctx context.Context, addr string, timeout time.Duration, articles []string) (map[string]int64, error) {
	d := net.Dialer{Timeout: timeout}
	c, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("ask the price store: %w", err)
	}
	defer func() { _ = c.Close() }()
	if err := c.SetDeadline(time.Now().Add(timeout)); err != nil {
		return nil, fmt.Errorf("ask the price store: %w", err)
	}
	if _, err := fmt.Fprintln(c, strings.Join(articles, " ")); err != nil {
		return nil, fmt.Errorf("ask the price store: %w", err)
	}
	line, err := bufio.NewReader(io.LimitReader(c, 4096)).ReadString('\n')
	if err != nil {
		return nil, fmt.Errorf("hear from the price store: %w", err)
	}
	fields := strings.Fields(line)
	if len(fields) != len(articles) {
		return nil, fmt.Errorf("the price store gave %d prices for %d articles", len(fields), len(articles))
	}
	prices := map[string]int64{}
	for i, f := range fields {
		if n, err := strconv.ParseInt(f, 10, 64); err == nil {
			prices[articles[i]] = n
		}
	}
	return prices, nil
}
