-- The accounts that their hosts have given up.
SELECT name, fence FROM reconciled_account WHERE session = 0 ORDER BY name
