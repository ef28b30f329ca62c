-- Calls back that people asked for (R-7), one for each attempt in which one was asked for.
-- States are those of `domain`: 0 pending, 1 dialling, 2 completed, 3 cancelled, 4 superseded.
CREATE TABLE callback (
    asked_in INTEGER PRIMARY KEY,        -- the attempt
    campaign INTEGER NOT NULL,
    run INTEGER NOT NULL,
    contact INTEGER NOT NULL,
    state INTEGER NOT NULL CHECK (state IN (0, 1, 2, 3, 4)),
    requested_at INTEGER NOT NULL,
    due_at INTEGER NOT NULL,
    wanted_at INTEGER,                   -- before the calling hours; NULL when unclear
    understood INTEGER NOT NULL CHECK (understood IN (0, 1, 2, 3, 4)),
    wish TEXT NOT NULL,                  -- as the bot gave it, JSON
    dialled_in INTEGER,                  -- the attempt that honours it
    dialled_at INTEGER
) STRICT;

CREATE INDEX callback_contact ON callback (campaign, run, contact, state);
CREATE INDEX callback_run ON callback (campaign, run, asked_in);
