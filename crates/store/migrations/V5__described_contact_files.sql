-- How a file was read (encoding, separator, names of the columns), as JSON; NULL until
-- it was read whole.
ALTER TABLE import ADD COLUMN file TEXT;
-- SHA-256 of its bytes, and what its sender calls the request: the same file under the
-- same key is one file.
ALTER TABLE import ADD COLUMN sha256 BLOB;
ALTER TABLE import ADD COLUMN key TEXT;

-- The other columns of a refused row, so that it can be mended and sent again.
ALTER TABLE import_rejected ADD COLUMN variables TEXT NOT NULL DEFAULT '{}';
