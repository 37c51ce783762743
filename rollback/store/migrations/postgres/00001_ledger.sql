-- +goose Up
CREATE TABLE ledger (
  seq  BIGINT PRIMARY KEY,
  line BYTEA NOT NULL,
  hash TEXT NOT NULL
);

-- Whoever writes locks its one row first: that is what makes writers take turns.
CREATE TABLE head (
  id   INTEGER PRIMARY KEY CHECK (id = 1),
  seq  BIGINT NOT NULL,
  hash TEXT NOT NULL
);
INSERT INTO head (id, seq, hash) VALUES (1, 0, '');

CREATE TABLE payload (
  digest TEXT PRIMARY KEY,
  body   BYTEA NOT NULL
);

-- One row for each transaction: whoever lost the connection at the commit looks here for what became of it.
CREATE TABLE landed (
  id TEXT PRIMARY KEY,
  at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX landed_at ON landed (at);

-- +goose Down
DROP TABLE landed;
DROP TABLE payload;
DROP TABLE head;
DROP TABLE ledger;
