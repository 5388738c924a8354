-- Takes the lease if nobody has it. $1: the name. $2: the owner. $3: the term in milliseconds. $4: the hash before the
-- first entry. One row, or none: another host has it.
INSERT INTO reconciled_lease AS held (name, owner, lease_until, fence, last_sequence, last_hash)
VALUES ($1, $2, clock_timestamp() + $3 * interval '1 millisecond', 1, 0, $4)
ON CONFLICT (name) DO UPDATE
SET owner = excluded.owner, lease_until = excluded.lease_until, fence = held.fence + 1
WHERE held.owner IN ('', excluded.owner) OR held.lease_until < clock_timestamp()
RETURNING fence, last_sequence, last_hash
