-- $1: after this entry. $2: at most this many rows.
SELECT sequence, group_start, hash, payload FROM reconciled_fact WHERE sequence > $1 ORDER BY sequence LIMIT $2
