-- $1: the name.
SELECT owner, fence, last_sequence, last_hash, lease_until < clock_timestamp() AS is_over
FROM reconciled_lease WHERE name = $1
