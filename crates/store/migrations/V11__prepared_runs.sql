-- Who prepared a run by Restart, and what was so before, for Cancel Restart (CL-7, CL-8).
-- `filling` is the last number whose contact joined the run; NULL when all did.
ALTER TABLE run ADD COLUMN prepared_at INTEGER;
ALTER TABLE run ADD COLUMN prepared_by TEXT;
ALTER TABLE run ADD COLUMN settings_before TEXT;
ALTER TABLE run ADD COLUMN filling INTEGER;

CREATE INDEX run_filling ON run (campaign, run) WHERE filling IS NOT NULL;

-- Prepared runs that were taken back, and whose contacts are not taken away yet.
CREATE TABLE cancelled_run (
    campaign INTEGER NOT NULL,
    run INTEGER NOT NULL,
    PRIMARY KEY (campaign, run)
) STRICT, WITHOUT ROWID;
