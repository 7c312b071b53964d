"""The rest of a tape: names, rerun, hooks, memory, steps, paths."""
