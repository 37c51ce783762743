-- +goose Up
CREATE TABLE run (
  n            INTEGER PRIMARY KEY,
  id           TEXT NOT NULL UNIQUE,
  op           TEXT NOT NULL UNIQUE,
  plan_hash    TEXT NOT NULL,
  plan         BLOB NOT NULL,
  confirmation BLOB NOT NULL,
  state        TEXT NOT NULL,
  final        INTEGER NOT NULL DEFAULT 0,
  detail       TEXT NOT NULL DEFAULT '',
  doc          BLOB NOT NULL DEFAULT '{}',
  started_at   INTEGER NOT NULL,
  applied_at   INTEGER NOT NULL DEFAULT 0,
  ended_at     INTEGER NOT NULL DEFAULT 0,
  abort_by     TEXT NOT NULL DEFAULT '',
  abort_reason TEXT NOT NULL DEFAULT ''
);

CREATE TABLE step (
  run      TEXT NOT NULL REFERENCES run (id),
  n        INTEGER NOT NULL,
  unit     TEXT NOT NULL,
  state    TEXT NOT NULL,
  attempt  INTEGER NOT NULL DEFAULT 0,
  doc      BLOB NOT NULL,
  result   BLOB,
  at       INTEGER NOT NULL DEFAULT 0,
  ended_at INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (run, n)
);

-- One row per unit that was ever claimed. The row stays when the claim goes, so that its token never falls.
CREATE TABLE lease (
  unit       TEXT PRIMARY KEY,
  run        TEXT NOT NULL DEFAULT '',
  holder     TEXT NOT NULL DEFAULT '',
  token      INTEGER NOT NULL DEFAULT 0,
  expires_at INTEGER NOT NULL DEFAULT 0
);

CREATE TABLE run_log (
  id   INTEGER PRIMARY KEY,
  run  TEXT NOT NULL REFERENCES run (id),
  at   INTEGER NOT NULL,
  text TEXT NOT NULL
);
CREATE INDEX run_log_run ON run_log (run, id);

-- +goose Down
DROP TABLE run_log;
DROP TABLE lease;
DROP TABLE step;
DROP TABLE run;
