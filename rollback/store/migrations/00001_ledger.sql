-- +goose Up
PRAGMA application_id = 1111707983; -- "BCKO": tells other programs whose file this is

CREATE TABLE ledger (
  seq  INTEGER PRIMARY KEY,
  line BLOB NOT NULL,
  hash TEXT NOT NULL
);

CREATE TABLE head (
  id   INTEGER PRIMARY KEY CHECK (id = 1),
  seq  INTEGER NOT NULL,
  hash TEXT NOT NULL
);
INSERT INTO head (id, seq, hash) VALUES (1, 0, '');

CREATE TABLE payload (
  digest TEXT PRIMARY KEY,
  body   BLOB NOT NULL
);

-- +goose Down
DROP TABLE payload;
DROP TABLE head;
DROP TABLE ledger;
