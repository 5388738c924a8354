-- Where the facts end.
SELECT last_sequence, last_hash FROM reconciled_end ORDER BY part DESC LIMIT 1
