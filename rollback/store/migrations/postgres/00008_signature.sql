-- +goose Up
-- Signatures over entries, by whoever holds the key: beside the line, because one may come later than the entry.
CREATE TABLE signature (
  seq  BIGINT NOT NULL REFERENCES ledger (seq),
  key  TEXT NOT NULL,
  blob BYTEA NOT NULL,
  PRIMARY KEY (seq, key)
);

-- +goose Down
DROP TABLE signature;
