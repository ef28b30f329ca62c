-- Times are Unix milliseconds, UTC. States are the codes of `domain`, and a test
-- holds each CHECK to the enum. JSON is text: nothing asks inside it. The tables with
-- a row for each contact have no foreign keys, because one more index seek for every
-- insert buys nothing that the one writer does not already know.

CREATE TABLE meta (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

INSERT INTO meta (key, value) VALUES ('probe', '0');

CREATE TABLE campaign (
    id INTEGER PRIMARY KEY,
    folded_name TEXT NOT NULL,           -- lower case, for the search
    settings TEXT NOT NULL,
    run INTEGER NOT NULL CHECK (run >= 1),
    created_at INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    activity_count INTEGER NOT NULL DEFAULT 0,
    activity_head BLOB NOT NULL          -- hash of the newest entry
) STRICT;

-- The status belongs to the run, so that taking a prepared run back restores the
-- campaign by deleting one row (CL-8).
CREATE TABLE run (
    campaign INTEGER NOT NULL REFERENCES campaign (id),
    run INTEGER NOT NULL CHECK (run >= 1),
    status INTEGER NOT NULL CHECK (status IN (0, 1, 2, 3, 4)),
    revision INTEGER NOT NULL DEFAULT 0,
    started_at INTEGER,
    started_by TEXT,
    paused_at INTEGER,
    paused_by TEXT,
    resumed_at INTEGER,
    resumed_by TEXT,
    ended_at INTEGER,
    ended_by TEXT,
    reason INTEGER CHECK (reason IN (0, 1, 2, 3, 4)),
    failure TEXT,
    swept_at INTEGER,
    last_dial_at INTEGER,
    PRIMARY KEY (campaign, run)
) STRICT, WITHOUT ROWID;

CREATE TABLE setup (
    campaign INTEGER NOT NULL REFERENCES campaign (id),
    run INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    at INTEGER NOT NULL,
    setup TEXT NOT NULL,
    PRIMARY KEY (campaign, run, revision)
) STRICT, WITHOUT ROWID;

-- Cold: written once, read for a page, a bot or a report. A row without a row in
-- contact_phone is a row of a file that is not applied yet.
CREATE TABLE contact (
    id INTEGER PRIMARY KEY,
    campaign INTEGER NOT NULL,
    phone INTEGER NOT NULL,
    variables TEXT NOT NULL,
    import INTEGER
) STRICT;

CREATE TABLE contact_phone (
    campaign INTEGER NOT NULL,
    phone INTEGER NOT NULL,
    contact INTEGER NOT NULL,
    PRIMARY KEY (campaign, phone)
) STRICT, WITHOUT ROWID;

-- Hot and narrow: where a contact stands in a run. `line` is the part of the waiting
-- line in the order of R-6 (0 callbacks, 1 triggered, 2 everybody else) and `due_at`
-- the place in it: when the contact falls due or began to wait, 0 for those present
-- at Start. Both are kept while the contact is leased, so a claim that goes back
-- finds its place again.
CREATE TABLE dial (
    campaign INTEGER NOT NULL,
    run INTEGER NOT NULL,
    contact INTEGER NOT NULL,
    phone INTEGER NOT NULL,
    state INTEGER NOT NULL
        CHECK (state IN (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 20, 21, 22, 23, 24, 25, 30)),
    line INTEGER NOT NULL CHECK (line IN (0, 1, 2)),
    due_at INTEGER NOT NULL,
    wave INTEGER NOT NULL,               -- the pass it is in, or waits for
    wave_dialled INTEGER NOT NULL CHECK (wave_dialled IN (0, 1)),
    counted INTEGER NOT NULL,            -- finished attempts that counted
    uncounted INTEGER NOT NULL,          -- finished attempts that did not
    dialled INTEGER NOT NULL,            -- number of the last attempt
    exhausted INTEGER NOT NULL CHECK (exhausted IN (0, 1)),
    epoch INTEGER NOT NULL,              -- of the last claim
    attempt INTEGER,                     -- the last attempt
    last_number INTEGER,                 -- its caller ID
    PRIMARY KEY (campaign, run, contact)
) STRICT, WITHOUT ROWID;

CREATE INDEX dial_line ON dial (campaign, run, line, due_at, contact) WHERE state < 3;
CREATE INDEX dial_state ON dial (campaign, run, state, contact);

-- `variables` is NULL as long as the contact still has the variables it was dialled
-- with; whoever changes a contact's variables first copies the old ones here (R-11).
CREATE TABLE attempt (
    id INTEGER PRIMARY KEY,
    campaign INTEGER NOT NULL,
    run INTEGER NOT NULL,
    contact INTEGER NOT NULL,
    number INTEGER NOT NULL CHECK (number >= 1),
    pass INTEGER NOT NULL CHECK (pass >= 1),
    revision INTEGER NOT NULL,
    counts INTEGER NOT NULL CHECK (counts IN (0, 1)),
    phone INTEGER NOT NULL,
    caller_id INTEGER NOT NULL,
    number_id INTEGER NOT NULL,
    carrier_id INTEGER NOT NULL,
    carrier TEXT NOT NULL,
    dialled_at INTEGER NOT NULL,
    ringing_at INTEGER,
    answered_at INTEGER,
    bot_attached_at INTEGER,
    first_bot_audio_at INTEGER,
    ended_at INTEGER,
    sip_code INTEGER,
    sip_reason TEXT,
    outcome INTEGER CHECK (outcome IN (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12)),
    conversation INTEGER NOT NULL DEFAULT 0 CHECK (conversation IN (0, 1)),
    result TEXT,
    hangup_by INTEGER CHECK (hangup_by IN (0, 1, 2, 3)),
    rtp_sent INTEGER NOT NULL DEFAULT 0,
    rtp_received INTEGER NOT NULL DEFAULT 0,
    variables TEXT,
    UNIQUE (contact, run, number)
) STRICT;

CREATE INDEX attempt_campaign ON attempt (campaign, id);

-- Sums of a run, kept by delta; kinds are in sqlite/counters.rs.
CREATE TABLE counter (
    campaign INTEGER NOT NULL,
    run INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    n INTEGER NOT NULL,
    PRIMARY KEY (campaign, run, kind)
) STRICT, WITHOUT ROWID;

CREATE TABLE pass (
    campaign INTEGER NOT NULL,
    run INTEGER NOT NULL,
    pass INTEGER NOT NULL,
    eligible INTEGER NOT NULL DEFAULT 0,
    attempted INTEGER NOT NULL DEFAULT 0,
    connected INTEGER NOT NULL DEFAULT 0,
    open INTEGER NOT NULL DEFAULT 0,     -- contacts that wait for it or are in it
    started_at INTEGER,
    ended_at INTEGER,
    PRIMARY KEY (campaign, run, pass)
) STRICT, WITHOUT ROWID;

CREATE TABLE activity (
    campaign INTEGER NOT NULL REFERENCES campaign (id),
    seq INTEGER NOT NULL,
    at INTEGER NOT NULL,
    by TEXT NOT NULL,
    action TEXT NOT NULL,
    detail TEXT NOT NULL,
    hash BLOB NOT NULL,
    PRIMARY KEY (campaign, seq)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER activity_is_never_changed BEFORE UPDATE ON activity
BEGIN
    SELECT RAISE(ABORT, 'the activity log is append-only');
END;

CREATE TABLE import (
    id INTEGER PRIMARY KEY,
    campaign INTEGER NOT NULL,
    stage INTEGER NOT NULL CHECK (stage IN (0, 1, 2, 3)),
    replaces INTEGER NOT NULL CHECK (replaces IN (0, 1)),
    rows INTEGER NOT NULL DEFAULT 0,
    accepted INTEGER NOT NULL DEFAULT 0,
    duplicates INTEGER NOT NULL DEFAULT 0,
    invalid INTEGER NOT NULL DEFAULT 0,
    applied INTEGER NOT NULL DEFAULT 0,
    rejected_kept INTEGER NOT NULL DEFAULT 0,
    step INTEGER NOT NULL DEFAULT 0 CHECK (step IN (0, 1, 2)),
    cursor INTEGER NOT NULL DEFAULT 0,
    first_contact INTEGER,
    last_contact INTEGER,
    accepted_at INTEGER
) STRICT;

CREATE INDEX import_open ON import (stage, campaign) WHERE stage IN (0, 1);
CREATE INDEX import_campaign ON import (campaign);

CREATE TABLE import_phone (
    import INTEGER NOT NULL,
    phone INTEGER NOT NULL,
    contact INTEGER NOT NULL,
    line INTEGER NOT NULL,
    PRIMARY KEY (import, phone)
) STRICT, WITHOUT ROWID;

CREATE TABLE import_rejected (
    import INTEGER NOT NULL,
    line INTEGER NOT NULL,
    text TEXT NOT NULL,
    reason TEXT NOT NULL,
    PRIMARY KEY (import, line)
) STRICT, WITHOUT ROWID;

-- What a deleted campaign (import IS NULL) or a file that is done with left behind:
-- taken away in chunks.
CREATE TABLE garbage (
    id INTEGER PRIMARY KEY,
    campaign INTEGER NOT NULL,
    import INTEGER
) STRICT;

CREATE TABLE carrier (
    id INTEGER PRIMARY KEY,
    enabled INTEGER NOT NULL CHECK (enabled IN (0, 1)),
    settings TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE number (
    id INTEGER PRIMARY KEY,
    e164 INTEGER NOT NULL UNIQUE,
    carrier INTEGER NOT NULL REFERENCES carrier (id),
    label TEXT,
    direction INTEGER NOT NULL CHECK (direction IN (0, 1, 2)),
    enabled INTEGER NOT NULL CHECK (enabled IN (0, 1)),
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE bot (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    kind INTEGER NOT NULL CHECK (kind IN (0, 1, 2, 3)),
    enabled INTEGER NOT NULL CHECK (enabled IN (0, 1)),
    settings TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE user (
    id INTEGER PRIMARY KEY,
    email TEXT NOT NULL UNIQUE,
    role INTEGER NOT NULL CHECK (role IN (0, 1, 2, 3)),
    password_hash TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE api_key (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    prefix TEXT NOT NULL UNIQUE,
    hash BLOB NOT NULL CHECK (length(hash) = 32),
    scope INTEGER NOT NULL CHECK (scope IN (0, 1, 2, 3)),
    created_at INTEGER NOT NULL,
    last_used_at INTEGER
) STRICT;

CREATE TABLE session (
    id_hash BLOB PRIMARY KEY CHECK (length(id_hash) = 32),
    data TEXT NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX session_expiry ON session (expires_at);
