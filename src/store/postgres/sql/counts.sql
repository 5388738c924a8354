-- How many accounts each session has, and whether it does the work for all ("*"). Reads all accounts.
SELECT session, count(*) FILTER (WHERE name <> '*'), count(*) FILTER (WHERE name = '*') > 0
FROM reconciled_account GROUP BY session
