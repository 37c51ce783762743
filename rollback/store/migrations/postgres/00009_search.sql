-- +goose Up
-- Where in the ledger which words are. It is never believed: what is found is read from the lines.
CREATE TABLE search (
  seq   BIGINT PRIMARY KEY,
  words TSVECTOR NOT NULL
);
CREATE INDEX search_words ON search USING gin (words);

CREATE TABLE search_span (
  block    BIGINT PRIMARY KEY,
  first_at BIGINT NOT NULL,
  last_at  BIGINT NOT NULL
);

CREATE TABLE search_state (
  id    INTEGER PRIMARY KEY CHECK (id = 1),
  below BIGINT NOT NULL
);
INSERT INTO search_state (id, below) SELECT 1, seq FROM head WHERE id = 1;

-- +goose Down
DROP TABLE search_state;
DROP TABLE search_span;
DROP TABLE search;
