-- $1: the name. $2: the fence. $3: the term in milliseconds. One row, or none: another host has taken over.
UPDATE reconciled_lease SET lease_until = clock_timestamp() + $3 * interval '1 millisecond'
WHERE name = $1 AND fence = $2
RETURNING fence
