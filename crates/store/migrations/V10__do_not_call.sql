-- Numbers that no campaign may dial (EX-4), until `expires_at` if it has one.
CREATE TABLE do_not_call (
    phone INTEGER PRIMARY KEY,
    source TEXT NOT NULL,
    reason TEXT,
    at INTEGER NOT NULL,
    by TEXT NOT NULL,
    expires_at INTEGER
) STRICT;
