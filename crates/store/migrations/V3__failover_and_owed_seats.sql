-- The carriers that an attempt tried, the n of its last Call-ID (R-1, DI-10).
ALTER TABLE attempt ADD COLUMN tries INTEGER NOT NULL DEFAULT 1 CHECK (tries >= 1);

-- Abandoned in this run and not served since: the next dial keeps a seat (DI-16).
ALTER TABLE dial ADD COLUMN seat_owed INTEGER NOT NULL DEFAULT 0 CHECK (seat_owed IN (0, 1));
