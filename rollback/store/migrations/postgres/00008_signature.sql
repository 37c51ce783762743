-- +goose Up
-- Signatures over entries, by whoever holds the key: beside the line, because one may come later than the entry.
CREATE TABLE signature (
  seq  BIGINT NOT NULL REFERENCES ledger (seq),
  key  TEXT NOT NULL,
  blob BYTEA NOT NULL,
  PRIMARY KEY (seq, key)
);

-- Which entries tell of AI assistance in a change, so that a new one is compared with the last.
CREATE TABLE attribution (
  seq       BIGINT PRIMARY KEY REFERENCES ledger (seq),
  change_id TEXT NOT NULL
);
CREATE INDEX attribution_change ON attribution (change_id, seq);

-- +goose Down
DROP TABLE attribution;
DROP TABLE signature;
