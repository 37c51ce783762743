// Package gameday is the pure half of a game day: a fault made on purpose, and people who have to find and cure it. It reads
// scenarios, folds what was recorded into games, decides what the conductor does next from what was seen, and makes the
// report of it. It asks nothing of the outside and has no clock of its own.
package gameday
