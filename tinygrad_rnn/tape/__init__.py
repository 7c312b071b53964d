"""What one asks of a tape: names, replay, hooks, memory, steps, paths."""
