-- A user who is disabled cannot sign in; nothing that he did is forgotten.
ALTER TABLE user ADD COLUMN disabled_at INTEGER;

-- A key without an end lives until it is deleted.
ALTER TABLE api_key ADD COLUMN expires_at INTEGER;

-- Answers to writes that carried an Idempotency-Key, kept for a day. The row is
-- committed before the request is looked at, so that a crash in between leaves a row
-- without an answer: whether the deed was done is then not known, and it is not done
-- again.
CREATE TABLE reply (
    who TEXT NOT NULL,                   -- the user or API key that asked
    key TEXT NOT NULL,
    request BLOB NOT NULL CHECK (length(request) = 32),  -- SHA-256 of method, address, body
    begun_at INTEGER NOT NULL,
    process INTEGER NOT NULL,            -- which process began it
    status INTEGER,                      -- NULL until answered
    answer TEXT,                         -- JSON: headers and body
    PRIMARY KEY (who, key)
) STRICT, WITHOUT ROWID;

CREATE INDEX reply_age ON reply (begun_at);
