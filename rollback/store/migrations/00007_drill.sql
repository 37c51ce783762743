-- +goose Up
CREATE TABLE drill (
  n           INTEGER PRIMARY KEY,
  id          TEXT NOT NULL UNIQUE,
  run         TEXT NOT NULL REFERENCES run (id),
  unit        TEXT NOT NULL,
  environment TEXT NOT NULL DEFAULT '',
  state       TEXT NOT NULL,
  final       INTEGER NOT NULL DEFAULT 0,
  doc         BLOB NOT NULL,
  started_at  INTEGER NOT NULL,
  ended_at    INTEGER NOT NULL DEFAULT 0,
  holder      TEXT NOT NULL DEFAULT '',
  token       INTEGER NOT NULL DEFAULT 0,
  expires_at  INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX drill_unit ON drill (unit);

-- +goose Down
DROP TABLE drill;
