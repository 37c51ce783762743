package export

import (
	"fmt"
	"io"

	"github.com/backout-dev/backout/providers/incident"
)

// JSON writes an incident file, version 1, as one line. Opened again it ranks to the same bytes as the ranking in the
// other formats. Entries of the record stand in it as redacted copies: their chain holds in the ledger, not here. The digests and signatures
// beside them are those of the lines that were written.
func JSON(w io.Writer, d Data, o Options) error {
	p, err := prepare(d, o)
	if err != nil {
		return err
	}
	if err := incident.Write(w, &p.doc); err != nil {
		return fmt.Errorf("export as JSON: %w", err)
	}
	return nil
}
