package culprit

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
)

// Encode writes the ranking as one line of JSON, in the order of the ranking: {"id", "at", "none", "tie", "ranking":
// [{"change", "p", "score", "evidence": [{"term", "weight", "text"}]}]}. The same ranking gives the same bytes.
func Encode(w io.Writer, r Ranking) error {
	r.At = r.At.UTC()
	if r.Ranking == nil {
		r.Ranking = []Suspect{}
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(r); err != nil {
		return fmt.Errorf("encode the ranking of %q: %w", r.ID, err)
	}
	if _, err := w.Write(b.Bytes()); err != nil {
		return fmt.Errorf("write the ranking of %q: %w", r.ID, err)
	}
	return nil
}
