-- Where the facts end. $1: their name.
SELECT last_sequence, last_hash FROM reconciled_lease WHERE name = $1
