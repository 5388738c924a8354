-- Lets another host work at once. $1: the name. $2: the fence.
UPDATE reconciled_lease SET owner = '', lease_until = clock_timestamp()
WHERE name = $1 AND fence = $2
RETURNING fence
