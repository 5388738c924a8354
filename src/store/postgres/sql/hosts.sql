SELECT session, name, accounts, floor(extract(epoch FROM since))::bigint FROM reconciled_host ORDER BY session
