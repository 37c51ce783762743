-- +goose Up
CREATE TABLE probe (
  unit     TEXT PRIMARY KEY,
  tried_at BIGINT NOT NULL,
  doc      BYTEA NOT NULL
);

-- +goose Down
DROP TABLE probe;
