"""What one asks of a tape: names, rerun, hooks, memory, steps, paths."""
