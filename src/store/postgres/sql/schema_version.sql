SELECT version FROM reconciled_schema WHERE id = 1
