-- The accounts that no host has. Reads all accounts.
SELECT account.name, account.fence FROM reconciled_account AS account
WHERE NOT EXISTS (SELECT 1 FROM reconciled_host AS host WHERE host.session = account.session)
ORDER BY account.name
