-- $1: the version.
UPDATE reconciled_schema SET version = $1 WHERE id = 1
