-- +goose Up
-- Where in the ledger which words are. It holds no entry, and is never believed: what is found is read from the lines. Whoever alters
-- what is put here of an entry needs a migration that empties it and sets below to the head: to take an entry out, the index is told
-- the words that it was given.
CREATE VIRTUAL TABLE search USING fts5(words, keys, content='', tokenize='unicode61 remove_diacritics 2');
INSERT INTO search (search, rank) VALUES ('secure-delete', 1); -- what is taken out is gone from its pages, not only marked

-- Between which times lie the entries of a block of numbers.
CREATE TABLE search_span (
  block    INTEGER PRIMARY KEY,
  first_at INTEGER NOT NULL,
  last_at  INTEGER NOT NULL
);

-- Entries up to this number are not in the index yet: they were written by a backout that had none.
CREATE TABLE search_state (
  id    INTEGER PRIMARY KEY CHECK (id = 1),
  below INTEGER NOT NULL
);
INSERT INTO search_state (id, below) SELECT 1, seq FROM head WHERE id = 1;

-- +goose Down
DROP TABLE search_state;
DROP TABLE search_span;
DROP TABLE search;
