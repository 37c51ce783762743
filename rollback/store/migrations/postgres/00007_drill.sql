-- +goose Up
-- expires_at is by the clock of this server.
CREATE TABLE drill (
  n           BIGINT PRIMARY KEY,
  id          TEXT NOT NULL UNIQUE,
  run         TEXT NOT NULL REFERENCES run (id),
  unit        TEXT NOT NULL,
  environment TEXT NOT NULL DEFAULT '',
  state       TEXT NOT NULL,
  final       BOOLEAN NOT NULL DEFAULT false,
  doc         BYTEA NOT NULL,
  started_at  BIGINT NOT NULL,
  ended_at    BIGINT NOT NULL DEFAULT 0,
  holder      TEXT NOT NULL DEFAULT '',
  token       BIGINT NOT NULL DEFAULT 0,
  expires_at  BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX drill_unit ON drill (unit);

-- +goose Down
DROP TABLE drill;
