-- +goose Up
-- Plans that wait for approval: the document that whoever approves is shown, and what became of it.
CREATE TABLE approval_request (
  id        TEXT PRIMARY KEY,
  plan_hash TEXT NOT NULL,
  state     TEXT NOT NULL,
  run       TEXT NOT NULL DEFAULT '',
  doc       BYTEA NOT NULL,
  asked_at  BIGINT NOT NULL
);
CREATE INDEX approval_request_state ON approval_request (state);

-- What was said of them: the statement as it was signed, byte by byte.
CREATE TABLE approval (
  nonce       TEXT PRIMARY KEY,
  request     TEXT NOT NULL REFERENCES approval_request (id),
  decision    TEXT NOT NULL,
  state       TEXT NOT NULL,
  statement   BYTEA NOT NULL,
  signature   BYTEA NOT NULL,
  recorded_at BIGINT NOT NULL
);
CREATE INDEX approval_of ON approval (request);

-- +goose Down
DROP TABLE approval;
DROP TABLE approval_request;
