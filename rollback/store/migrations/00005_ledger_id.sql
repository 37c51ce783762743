-- +goose Up
-- Which ledger this is, so that nobody compares a checkpoint of one with another.
CREATE TABLE ledger_id (
  id     INTEGER PRIMARY KEY CHECK (id = 1),
  origin TEXT NOT NULL
);
INSERT INTO ledger_id (id, origin) VALUES (1, lower(hex(randomblob(16))));

-- +goose Down
DROP TABLE ledger_id;
