-- Numbers that no run of a campaign may dial (R-9, R-10).
CREATE TABLE exclusion (
    campaign INTEGER NOT NULL,
    phone INTEGER NOT NULL,
    at INTEGER NOT NULL,
    by TEXT NOT NULL,
    reason TEXT,
    PRIMARY KEY (campaign, phone)
) STRICT, WITHOUT ROWID;

-- What a Trigger was answered under its key (EX-1), kept for seven days: `body` is the SHA-256
-- of what was asked, `dialled` NULL until it is known whether it was dialled at once.
CREATE TABLE trigger_key (
    campaign INTEGER NOT NULL,
    key TEXT NOT NULL,
    body BLOB NOT NULL CHECK (length(body) = 32),
    contact INTEGER NOT NULL,
    run INTEGER NOT NULL,
    -- The number of its last attempt before: a later one is what was asked for.
    after INTEGER NOT NULL,
    at INTEGER NOT NULL,
    dialled INTEGER CHECK (dialled IN (0, 1)),
    PRIMARY KEY (campaign, key)
) STRICT, WITHOUT ROWID;

CREATE INDEX trigger_key_age ON trigger_key (at);

-- Metadata keys by which contacts of a campaign were excluded: from the first time on their
-- values are kept findable. `cursor` is the last number that was walked, NULL when all were.
CREATE TABLE metadata_key (
    id INTEGER PRIMARY KEY,
    campaign INTEGER NOT NULL,
    key TEXT NOT NULL,
    cursor INTEGER,
    UNIQUE (campaign, key)
) STRICT;

-- `hash` is of the value; whoever looks up compares the value itself too, so rows of contacts
-- that are gone or have changed do no harm.
CREATE TABLE metadata_value (
    key INTEGER NOT NULL,
    hash INTEGER NOT NULL,
    contact INTEGER NOT NULL,
    PRIMARY KEY (key, hash, contact)
) STRICT, WITHOUT ROWID;

-- Sticky exclusions by metadata stand for contacts that are not there yet (R-10): the keys and
-- values as a JSON object.
CREATE TABLE exclusion_match (
    campaign INTEGER NOT NULL,
    selector TEXT NOT NULL,
    at INTEGER NOT NULL,
    by TEXT NOT NULL,
    reason TEXT,
    PRIMARY KEY (campaign, selector)
) STRICT, WITHOUT ROWID;
