"""The tape rolled up by time, and its derivative: the common ground of `compiler/` and `bptt/derivation/`."""
