-- Changes no value, but is a write. Its commit waits until the synchronous replica has it and all earlier commits.
UPDATE reconciled_lease SET fence = fence
