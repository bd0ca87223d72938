"""From what operators want to what each reader is told: rows, deltas, denials, changes."""
