-- Begins a session and ends every other session of this host. $1: the name of the counter. $2: the host. $3: the term in
-- milliseconds. $4: the hash before the first entry. $5: which accounts it is configured for. One row: the session.
WITH gone AS (
    DELETE FROM reconciled_host WHERE name = $2
), number AS (
    INSERT INTO reconciled_lease AS held (name, owner, lease_until, fence, last_sequence, last_hash)
    VALUES ($1, '', clock_timestamp(), 1, 0, $4)
    ON CONFLICT (name) DO UPDATE SET fence = held.fence + 1
    RETURNING fence
), first AS (
    INSERT INTO reconciled_end (part, last_sequence, last_hash)
    SELECT 0, 0, $4 WHERE NOT EXISTS (SELECT 1 FROM reconciled_end)
    ON CONFLICT (part) DO NOTHING
)
INSERT INTO reconciled_host (session, name, accounts, since, lease_until)
SELECT fence, $2, $5, clock_timestamp(), clock_timestamp() + $3 * interval '1 millisecond' FROM number
RETURNING session
