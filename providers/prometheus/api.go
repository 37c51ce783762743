package prometheus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/url"
	"strconv"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/httpapi"
)

// series is one element of a matrix, of the API's own shape.
type series struct {
	Metric map[string]string `json:"metric"`
	Values []sample          `json:"values"`
	Value  *sample           `json:"value"` // of a vector
}

// sample is [unix seconds, "value"].
type sample struct{ At, V float64 }

// UnmarshalJSON reads the pair.
func (s *sample) UnmarshalJSON(b []byte) error {
	var text string
	if err := json.Unmarshal(b, &[]any{&s.At, &text}); err != nil {
		return fmt.Errorf("a sample: %w", err)
	}
	v, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return fmt.Errorf("a sample: %w", err)
	}
	s.V = v
	return nil
}

// grid is the times at which a range query is answered: multiples of step, which are the same for every window.
type grid struct{ start, end, step int64 }

// spread makes a grid of at most points. Steps are from a short list, so that a window that grows keeps its grid for a while.
func spread(start, end time.Time, points int64) grid {
	span := max(1, end.Unix()-start.Unix())
	step := int64(0)
	for _, s := range []int64{1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600, 4 * 3600, 24 * 3600} {
		if step = s; span/s < points {
			break
		}
	}
	for span/step >= points {
		step *= 2
	}
	return grid{start: (start.Unix() + step - 1) / step * step, end: end.Unix() / step * step, step: step}
}

// queryRange streams the series of a range query. Only a nil error means that the answer was complete.
func (p *Provider) queryRange(ctx context.Context, query string, g grid, each func(series) error) error {
	if g.end < g.start {
		return nil
	}
	n := 0
	_, err := p.client.Get(ctx, "/api/v1/query_range", url.Values{
		"query": {query}, "start": {strconv.FormatInt(g.start, 10)}, "end": {strconv.FormatInt(g.end, 10)},
		"step": {strconv.FormatInt(g.step, 10)}, "timeout": {p.client.Timeout().String()},
	}, func(body io.Reader) error {
		return results(body, func(s series) error {
			if err := ctx.Err(); err != nil {
				return err
			}
			if n++; n > maxSeries {
				return providers.Permanent(fmt.Errorf("more than %d series for %s", maxSeries, query))
			}
			return each(s)
		})
	})
	return err
}

// results walks {"status": "success", "data": {"result": [...]}} in whatever order the keys come.
func results(body io.Reader, each func(series) error) error {
	dec, err := httpapi.NewDecoder(body)
	if err != nil {
		return err
	}
	seen := false
	err = object(dec, func(key string) error {
		if key != "data" {
			return skip(dec)
		}
		return object(dec, func(key string) error {
			if key != "result" {
				return skip(dec)
			}
			seen = true
			if err := dec.Delim('['); err != nil {
				return err
			}
			return httpapi.Elements(dec, each)
		})
	})
	if err == nil && !seen {
		return providers.Retryable(errors.New("answered JSON without a result; is this the API of Prometheus?"))
	}
	return err
}

func object(dec *httpapi.Decoder, field func(key string) error) error {
	if err := dec.Delim('{'); err != nil {
		return err
	}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return httpapi.Garbled(err)
		}
		if err := field(fmt.Sprint(key)); err != nil {
			return err
		}
	}
	return dec.Delim('}')
}

func skip(dec *httpapi.Decoder) error {
	var ignored json.RawMessage
	return httpapi.Garbled(dec.Decode(&ignored))
}

// query gives the values of an instant query at the server's now.
func (p *Provider) query(ctx context.Context, promQL string) ([]float64, error) {
	samples, err := p.samples(ctx, promQL)
	values := make([]float64, 0, len(samples))
	for _, s := range samples {
		values = append(values, s.V)
	}
	return values, err
}

// samples gives the samples of an instant query at the server's now. A scalar is one sample without labels.
func (p *Provider) samples(ctx context.Context, promQL string) ([]sample, error) {
	var answer struct {
		Data struct {
			ResultType string          `json:"resultType"`
			Result     json.RawMessage `json:"result"`
		} `json:"data"`
	}
	_, err := p.client.Get(ctx, "/api/v1/query", url.Values{"query": {promQL}}, func(body io.Reader) error {
		return httpapi.JSON(body, &answer)
	})
	if err != nil {
		return nil, err
	}
	switch answer.Data.ResultType {
	case "scalar":
		var s sample
		if err := json.Unmarshal(answer.Data.Result, &s); err != nil {
			return nil, httpapi.Garbled(err)
		}
		return []sample{s}, nil
	case "vector":
		var all []series
		if err := json.Unmarshal(answer.Data.Result, &all); err != nil {
			return nil, httpapi.Garbled(err)
		}
		samples := make([]sample, 0, len(all))
		for _, s := range all {
			if s.Value != nil {
				samples = append(samples, *s.Value)
			}
		}
		return samples, nil
	}
	return nil, providers.Permanent(fmt.Errorf("query %q gives a %q, not a number for each series", promQL, answer.Data.ResultType))
}

// points drops what is no number: gaps say more than a zero would.
func points(values []sample) [][2]float64 {
	out := make([][2]float64, 0, len(values))
	for _, v := range values {
		if !math.IsNaN(v.V) && !math.IsInf(v.V, 0) {
			out = append(out, [2]float64{v.At, v.V})
		}
	}
	return out
}
