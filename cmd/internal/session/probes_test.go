package session

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// In no minute do more begin than may, however they come; and who is called off waits no longer.
func TestPaceLetsSoManyAMinuteBegin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pace := NewPace(3)
		var began []time.Time
		for i := range 10 {
			if err := pace.Wait(t.Context()); err != nil {
				t.Fatal(err)
			}
			if began = append(began, time.Now()); i >= 3 && began[i].Sub(began[i-3]) < time.Minute {
				t.Errorf("four began from %s to %s", began[i-3], began[i])
			}
		}
		if took := began[9].Sub(began[0]); took != 3*time.Minute {
			t.Errorf("ten took %s", took)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := pace.Wait(ctx); err == nil && pace.Wait(ctx) == nil && pace.Wait(ctx) == nil {
			if err := pace.Wait(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("it was called off: %v", err)
			}
		}
		if NewPace(0).Wait(t.Context()) != nil {
			t.Error("none at all may begin")
		}
	})
}
