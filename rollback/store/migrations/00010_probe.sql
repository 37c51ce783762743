-- +goose Up
CREATE TABLE probe (
  unit     TEXT PRIMARY KEY,
  tried_at INTEGER NOT NULL,
  doc      BLOB NOT NULL
);

-- +goose Down
DROP TABLE probe;
