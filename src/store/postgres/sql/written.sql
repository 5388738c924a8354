-- The outcome of an append. $1: the append's first entry. $2: the session. One row: where the facts end, whether the
-- session lasts, and the hash and session of that entry, if it is there.
SELECT facts.last_sequence, facts.last_hash,
    EXISTS (SELECT 1 FROM reconciled_host AS host WHERE host.session = $2) AS lasts,
    entry.hash, entry.fence
FROM (SELECT last_sequence, last_hash FROM reconciled_end ORDER BY part DESC LIMIT 1) AS facts
LEFT JOIN reconciled_fact AS entry ON entry.sequence = $1
