package ledger

import "time"

// GameDayBody is what every event of a game day has in its body, whatever else it tells.
type GameDayBody struct {
	Game    string    `json:"game"`
	What    string    `json:"what"`
	Detail  string    `json:"detail,omitempty"`
	Step    int       `json:"step,omitempty"`
	Until   time.Time `json:"until,omitzero"` // when the fault is undone at the latest
	Outcome string    `json:"outcome,omitempty"`
}

// GameDayUnit is what an entry of a game day names as its unit: not what is broken, which is for people to find.
func GameDayUnit(game string) string { return "gameday:" + game }
