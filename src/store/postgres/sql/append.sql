-- Moves the end of the facts from entry $3 with hash $4 to entry $5 with hash $6 and adds the rows between, if the
-- fence is still $2 and the facts still end there: all of it, or nothing. It also renews the lease. $1: the name.
-- $7: the term in milliseconds. $8 to $11: sequences, first entries of the groups, hashes, payloads.
WITH moved AS (
    UPDATE reconciled_lease
    SET last_sequence = $5, last_hash = $6, lease_until = clock_timestamp() + $7 * interval '1 millisecond'
    WHERE name = $1 AND fence = $2 AND last_sequence = $3 AND last_hash = $4
    RETURNING fence
), added AS (
    INSERT INTO reconciled_fact (sequence, group_start, hash, payload, written_at, fence)
    SELECT entry.sequence, entry.group_start, entry.hash, entry.payload, clock_timestamp(), moved.fence
    FROM moved, unnest($8, $9, $10, $11) AS entry (sequence, group_start, hash, payload)
    RETURNING sequence
)
SELECT count(*) FROM added
