package main

import (
	"fmt"
	"io"
	"time"
)

// figures are the figures of one file.
type figures struct {
	File       string  `json:"file"`
	Offset     int     `json:"at_offset"`
	Docs       int     `json:"docs"`
	N          int     `json:"n"`
	Candidates float64 `json:"candidates"`
	Invisible  int     `json:"culprit_not_visible"`
	Ranking    hits    `json:"ranking"`
	Random     hits    `json:"floor_random"`
	Latest     hits    `json:"floor_latest"`
	Brier      float64 `json:"brier"`
	ECE        float64 `json:"ece"`
	P50        reached `json:"p50"`
	P70        reached `json:"p70"`
	AUROC      float64 `json:"auroc"` // of 1-none for "a culprit is visible"; 0 where every document has one
	Ties       int     `json:"ties_declared"`
	Leaks      int     `json:"leaks"`
	Unlisted   int     `json:"unlisted"`
	SumError   float64 `json:"sum_error"`
	Mean       float64 `json:"mean_ms"`
}

// reached are the documents whose first suspect reaches a probability.
type reached struct {
	Precision float64 `json:"precision"`
	Coverage  float64 `json:"coverage"`
	N         int     `json:"n"`
}

func (s *scores) figures() *figures {
	f := &figures{
		File: s.name, Offset: int(s.offset / time.Second), Docs: s.docs, N: len(s.got), Invisible: s.invisible,
		Ranking: mean(s.got), Random: mean(s.random), Latest: mean(s.latest),
		ECE: calibrationError(s.tops), P50: s.reaching(0.5), P70: s.reaching(0.7),
		Ties: s.ties, Leaks: s.leaks, Unlisted: s.unseen, SumError: s.sumError,
	}
	if f.N > 0 {
		f.Candidates = float64(s.candidates) / float64(f.N)
	}
	for _, b := range s.brier {
		f.Brier += b / float64(len(s.brier))
	}
	if s.docs > 0 {
		f.Mean = float64(s.took.Microseconds()) / 1000 / float64(s.docs)
	}
	f.AUROC = s.auroc()
	return f
}

func (s *scores) reaching(limit float64) reached {
	var r reached
	for _, t := range s.tops {
		if t.p >= limit {
			r.N++
			r.Precision += t.right
		}
	}
	if r.N > 0 {
		r.Precision /= float64(r.N)
	}
	if s.docs > 0 {
		r.Coverage = float64(r.N) / float64(s.docs)
	}
	return r
}

func (s *scores) auroc() float64 {
	wins, pairs := 0.0, 0.0
	for _, a := range s.auc {
		for _, b := range s.auc {
			if !a.there || b.there {
				continue
			}
			pairs++
			if a.some > b.some {
				wins++
			} else if a.some == b.some {
				wins += 0.5
			}
		}
	}
	if !s.negatives || pairs == 0 {
		return 0
	}
	return wins / pairs
}

func (f *figures) print(w io.Writer) error {
	row := func(name string, h hits) string {
		return fmt.Sprintf("  %-14s top-1 %.3f  top-3 %.3f  top-5 %.3f  MRR %.3f\n", name, h.AC1, h.AC3, h.AC5, h.MRR)
	}
	auroc := "none (a culprit is visible in every document)"
	if f.AUROC > 0 {
		auroc = fmt.Sprintf("%.3f", f.AUROC)
	}
	_, err := fmt.Fprintf(w, "%s (%+d s)\n  %d documents, n %d, %.2f candidates each, culprit not visible in %d\n%s%s%s"+
		"  Brier %.4f  ECE %.4f  AUROC %s  p>=.5: precision %.3f, coverage %.3f (%d)  p>=.7: precision %.3f, coverage %.3f (%d)\n"+
		"  ties declared %d, leaks %d, visible but not ranked %d, sum off by %.1e, %.2f ms each\n",
		f.File, f.Offset, f.Docs, f.N, f.Candidates, f.Invisible,
		row("ranking", f.Ranking), row("random", f.Random), row("latest first", f.Latest),
		f.Brier, f.ECE, auroc, f.P50.Precision, f.P50.Coverage, f.P50.N, f.P70.Precision, f.P70.Coverage, f.P70.N,
		f.Ties, f.Leaks, f.Unlisted, f.SumError, f.Mean)
	return err
}
