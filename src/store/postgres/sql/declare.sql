-- Adds accounts that are not known yet. No host has them. $1: their names.
INSERT INTO reconciled_account (name, session, fence)
SELECT name, 0, 0 FROM unnest($1) AS added (name)
ON CONFLICT (name) DO NOTHING
