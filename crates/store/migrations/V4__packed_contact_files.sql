-- The numbers of a file wait packed, a piece of the file in each blob: 24 bytes a
-- number (phone, contact, line; big-endian), in order of phone within the piece. A row
-- for each number, in an index in the order of numbers, cost more than all the rest of
-- reading a file. `seq` only tells pieces apart.
CREATE TABLE import_numbers (
    import INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    numbers BLOB NOT NULL,
    PRIMARY KEY (import, seq)
) STRICT;

-- Files that were accepted and not yet applied go on; what others staged is thrown away
-- by import id, for which its numbers are not needed.
INSERT INTO import_numbers (import, seq, numbers)
SELECT import, 0, unhex(group_concat(printf('%016X%016X%016X', phone, contact, line), ''))
FROM import_phone
WHERE import IN (SELECT id FROM import WHERE stage = 1)
GROUP BY import;

DROP TABLE import_phone;
