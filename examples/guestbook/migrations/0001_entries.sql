CREATE TABLE entries (
  id INTEGER PRIMARY KEY,
  book TEXT NOT NULL,
  name TEXT NOT NULL,
  text TEXT NOT NULL
);

CREATE INDEX entries_of_book ON entries (book, id);
