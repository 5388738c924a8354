-- The accounts of a session. $1: the session.
SELECT name FROM reconciled_account WHERE session = $1 ORDER BY name
