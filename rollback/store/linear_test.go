package store_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/jackc/pgx/v5"

	"github.com/backout-dev/backout/rollback/store"
	"github.com/backout-dev/backout/test/servers"
)

// asked is what a client wanted of the lease on a run, and answered what it was told.
type asked struct {
	op     string // acquire, take (the holder is dead), check, renew, detach
	holder string
	token  int64
}

type answered struct {
	outcome string // ok, held, fenced, unknown
	token   int64
}

// held is the lease itself.
type held struct {
	holder string
	token  int64
}

// leaseModel is what a lease with fencing tokens promises, whoever asks and however the connections break.
var leaseModel = porcupine.NondeterministicModel{
	Init: func() []any { return []any{held{token: 1}} },
	Step: func(state, input, output any) []any {
		is, in, out := state.(held), input.(asked), output.(answered) //nolint:forcetypeassert // as made below
		next, want := is, answered{outcome: "ok"}
		mine := is.holder == in.holder && is.token == in.token
		switch {
		case in.op == "acquire" && is.holder != "" && is.holder != in.holder:
			want.outcome = "held"
		case in.op == "acquire", in.op == "take":
			next = held{in.holder, is.token + 1}
			want.token = next.token
		case !mine:
			want.outcome = "fenced"
		case in.op == "detach":
			next.holder = ""
		}
		switch {
		case out.outcome == "unknown":
			return []any{is, next}
		case out == want:
			return []any{next}
		default:
			return nil
		}
	},
	Equal: func(a, b any) bool { return a == b },
}

// Leases are linearizable while connections are killed by the server and cut on the way: what clients were told fits one order.
func TestLeasesAreLinearizable(t *testing.T) {
	t.Parallel()
	const clients, each = 6, 60
	g := servers.StartPostgres(t)
	place := g.Create(t, "b")
	wire := servers.NewWire(t, g.Addr)
	run := claimed(t, openAt(t, place, store.Options{}))
	admin, err := pgx.Connect(t.Context(), g.URL("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close(t.Context())
	var clock, done, kills atomic.Int64
	var mu, killing sync.Mutex
	var history []porcupine.Operation
	kill := func() {
		killing.Lock()
		defer killing.Unlock()
		if kills.Add(1)%2 == 0 {
			wire.CutAll()
			return
		}
		if _, err := admin.Exec(t.Context(), "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'b'"); err != nil {
			t.Error(err)
		}
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	var stores []*store.DB
	for n := range clients {
		stores = append(stores, openAt(t, []string{place, wire.Through(place)}[n%2], store.Options{}))
	}
	var all sync.WaitGroup
	for n, db := range stores {
		random := rand.New(rand.NewPCG(seed, uint64(n)))
		all.Go(func() {
			in := asked{holder: fmt.Sprint("host:", n)}
			for range each {
				in.op = []string{"acquire", "acquire", "take", "check", "renew", "detach"}[random.IntN(6)]
				began := clock.Add(1)
				out := ask(t.Context(), db, run, in)
				op := porcupine.Operation{ClientId: n, Input: in, Call: began, Output: out, Return: clock.Add(1)}
				if out.token != 0 {
					in.token = out.token
				}
				if out.outcome != "nothing" {
					mu.Lock()
					history = append(history, op)
					mu.Unlock()
				}
				if done.Add(1)%5 == 0 {
					kill()
				}
			}
		})
	}
	all.Wait()
	count := map[string]int{}
	for _, op := range history {
		count[op.Input.(asked).op+" "+op.Output.(answered).outcome]++ //nolint:forcetypeassert // as made above
	}
	t.Logf("%d kills, %v", kills.Load(), count)
	if count["take ok"] == 0 || count["acquire held"] == 0 || count["check fenced"] == 0 {
		t.Error("nothing was put to the test")
	}
	if got := porcupine.CheckOperationsTimeout(leaseModel.ToModel(), history, time.Minute); got != porcupine.Ok {
		t.Errorf("the history is %s", got)
	}
}

// ask asks for one thing; an error that says that nothing was written is "nothing", and no part of the history.
func ask(ctx context.Context, db *store.DB, run string, in asked) answered {
	out := answered{outcome: "ok"}
	unit := "u:" + run
	fence := store.Fence{Run: run, Holder: in.holder, Tokens: map[string]int64{unit: in.token}}
	hour := time.Now().Add(time.Hour)
	err := db.Update(ctx, func(tx *store.Tx) error {
		switch in.op {
		case "check":
			return tx.Check(fence)
		case "renew":
			return tx.Renew(fence, hour)
		case "detach":
			return tx.Detach(fence)
		default:
			f, err := tx.Acquire(run, in.holder, hour, func(string) bool { return in.op == "take" })
			out.token = f.Tokens[unit]
			return err
		}
	})
	switch {
	case err == nil:
		return out
	case errors.Is(err, store.ErrHeld):
		return answered{outcome: "held"}
	case errors.Is(err, store.ErrFenced):
		return answered{outcome: "fenced"}
	case errors.Is(err, store.ErrUncertain):
		return answered{outcome: "unknown"}
	default:
		return answered{outcome: "nothing"}
	}
}
