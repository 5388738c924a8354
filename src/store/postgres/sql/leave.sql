-- Ends a session, so that other hosts take its accounts at once. $1: the session.
DELETE FROM reconciled_host WHERE session = $1
