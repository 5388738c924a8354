-- $1: the session. $2: the term in milliseconds. $3: which accounts the host is configured for. One row, or none: the
-- session has ended.
UPDATE reconciled_host SET lease_until = clock_timestamp() + $2 * interval '1 millisecond', accounts = $3
WHERE session = $1
RETURNING session
