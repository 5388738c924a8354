-- Changes nothing, but is a write. A commit waits for the synchronous replica, and so for all that was committed before.
UPDATE reconciled_lease SET fence = fence
