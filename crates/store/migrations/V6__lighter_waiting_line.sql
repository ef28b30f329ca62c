-- The same table, with checks that cost less: a long IN is a table of its own, built anew for
-- every statement, and was most of what a contact cost when it joined the line. The bits of
-- the number below are the codes of the states.
CREATE TABLE dial_v6 (
    campaign INTEGER NOT NULL,
    run INTEGER NOT NULL,
    contact INTEGER NOT NULL,
    phone INTEGER NOT NULL,
    state INTEGER NOT NULL CHECK (1 << state & 0x43F003FF),
    line INTEGER NOT NULL CHECK (line BETWEEN 0 AND 2),
    due_at INTEGER NOT NULL,
    wave INTEGER NOT NULL,
    wave_dialled INTEGER NOT NULL CHECK (wave_dialled IN (0, 1)),
    counted INTEGER NOT NULL,
    uncounted INTEGER NOT NULL,
    dialled INTEGER NOT NULL,
    exhausted INTEGER NOT NULL CHECK (exhausted IN (0, 1)),
    epoch INTEGER NOT NULL,
    attempt INTEGER,
    last_number INTEGER,
    seat_owed INTEGER NOT NULL DEFAULT 0 CHECK (seat_owed IN (0, 1)),
    PRIMARY KEY (campaign, run, contact)
) STRICT, WITHOUT ROWID;

INSERT INTO dial_v6 (campaign, run, contact, phone, state, line, due_at, wave, wave_dialled,
    counted, uncounted, dialled, exhausted, epoch, attempt, last_number, seat_owed)
SELECT campaign, run, contact, phone, state, line, due_at, wave, wave_dialled,
    counted, uncounted, dialled, exhausted, epoch, attempt, last_number, seat_owed
FROM dial ORDER BY campaign, run, contact;

DROP TABLE dial;
ALTER TABLE dial_v6 RENAME TO dial;

-- Most contacts of a campaign wait since its Start and were never dialled. They stand in one
-- short index, in the order in which they are dialled; whoever has moved stands in the other
-- two. Each contact is in the first or in the others, so that a file writes one row less.
CREATE INDEX dial_fresh ON dial (campaign, run, contact)
    WHERE state = 0 AND line = 2 AND due_at = 0;
CREATE INDEX dial_line ON dial (campaign, run, line, due_at, contact)
    WHERE state < 3 AND (state > 0 OR line < 2 OR due_at <> 0);
CREATE INDEX dial_state ON dial (campaign, run, state, contact)
    WHERE (state > 0 OR line < 2 OR due_at <> 0);
