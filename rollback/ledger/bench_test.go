package ledger

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// BenchmarkVerify is over entries as a run writes them.
func BenchmarkVerify(b *testing.B) {
	var head Head
	lines := make([][]byte, 0, 10_000)
	for i := range cap(lines) {
		_, line, next, err := Next(head, Entry{
			Kind: KindResult, Actor: "ana@laptop", ActorKind: "human", Run: "RUN-0001", Unit: "kubernetes:prod/shop/deployment/checkout", Text: fmt.Sprint("step applied ", i),
			Body: []byte(`{"step":1,"action":"switch","from":"sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","to":"sha256:bbbbbbbbbbbbbbbbbbbbb","attempt":1}`),
		}, time.Unix(int64(i), 0))
		if err != nil {
			b.Fatal(err)
		}
		lines, head = append(lines, line), next
	}
	b.ReportAllocs()
	for b.Loop() {
		if r := Verify(slices.Values(lines), head); !r.OK {
			b.Fatal(r.Problems)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(lines)), "ns/entry")
}
