-- +goose Up
CREATE TABLE ledger_id (
  id     INTEGER PRIMARY KEY CHECK (id = 1),
  origin TEXT NOT NULL
);
INSERT INTO ledger_id (id, origin) VALUES (1, replace(gen_random_uuid()::text, '-', ''));

-- +goose Down
DROP TABLE ledger_id;
