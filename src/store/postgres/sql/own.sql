-- The accounts of a session, each with its fence. $1: the session.
SELECT name, fence FROM reconciled_account WHERE session = $1 ORDER BY name
