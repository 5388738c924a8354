-- Ends the sessions that were not renewed in time. A session that is deleted here can never be renewed.
DELETE FROM reconciled_host WHERE lease_until < clock_timestamp() RETURNING name
