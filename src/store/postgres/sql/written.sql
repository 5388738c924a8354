-- The outcome of an append. $1: the name of the facts. $2: the append's first entry. $3: the session. One row: where
-- the facts end, whether the session lasts, and the hash and session of that entry, if it is there.
SELECT facts.last_sequence, facts.last_hash,
    EXISTS (SELECT 1 FROM reconciled_host AS host WHERE host.session = $3) AS lasts,
    entry.hash, entry.fence
FROM reconciled_lease AS facts LEFT JOIN reconciled_fact AS entry ON entry.sequence = $2
WHERE facts.name = $1
