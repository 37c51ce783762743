-- +goose Up
CREATE TABLE measure (
  id         TEXT PRIMARY KEY,
  run        TEXT NOT NULL REFERENCES run (id),
  step       INTEGER NOT NULL,
  unit       TEXT NOT NULL,
  state      TEXT NOT NULL,
  closed     INTEGER NOT NULL DEFAULT 0,
  expires_at INTEGER NOT NULL,
  doc        BLOB NOT NULL
);
CREATE INDEX measure_run ON measure (run, step);

-- +goose Down
DROP TABLE measure;
