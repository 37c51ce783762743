package main

import (
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/timeline"
	"github.com/backout-dev/backout/timeline/culprit"
)

type document struct {
	ID       string              `json:"id"`
	At       time.Time           `json:"at"`
	Onset    timeline.Onset      `json:"onset"`
	Services []providers.Service `json:"services"`
	Alerts   []providers.Alert   `json:"alerts"`
	Changes  []providers.Change  `json:"changes"`
	Signals  []providers.Signal  `json:"signals"`
	Truth    struct {
		Culprits []string `json:"culprits"`
	} `json:"truth"`
}

func (d *document) input() culprit.Input {
	return culprit.Input{ID: d.ID, At: d.At, Onset: d.Onset, Services: d.Services, Alerts: d.Alerts, Changes: d.Changes, Signals: d.Signals}
}
