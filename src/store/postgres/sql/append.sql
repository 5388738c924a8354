-- Moves the end of the facts from entry $3 with hash $4 to entry $5 with hash $6, and adds the rows in between. It does
-- all of this or nothing: only if the facts still end at entry $3 and session $2 lasts. $1: the part of the facts with
-- entry $3. $11: the part with entry $5. $7 to $10: sequences, first entries of the groups, hashes, payloads.
WITH moved AS (
    UPDATE reconciled_end SET last_sequence = $5, last_hash = $6
    WHERE part = $1 AND last_sequence = $3 AND last_hash = $4
    AND EXISTS (SELECT 1 FROM reconciled_host AS host WHERE host.session = $2)
    RETURNING part
), begun AS (
    INSERT INTO reconciled_end (part, last_sequence, last_hash)
    SELECT $11, $5, $6 FROM moved WHERE moved.part <> $11
), added AS (
    INSERT INTO reconciled_fact (sequence, group_start, hash, payload, written_at, fence)
    SELECT entry.sequence, entry.group_start, entry.hash, entry.payload, clock_timestamp(), $2
    FROM moved, unnest($7, $8, $9, $10) AS entry (sequence, group_start, hash, payload)
    RETURNING sequence
)
SELECT count(*) FROM added
