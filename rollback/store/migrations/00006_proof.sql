-- +goose Up
CREATE TABLE proof (
  id   TEXT PRIMARY KEY,
  run  TEXT NOT NULL REFERENCES run (id),
  unit TEXT NOT NULL,
  doc  BLOB NOT NULL
);
CREATE INDEX proof_unit ON proof (unit);

-- +goose Down
DROP TABLE proof;
