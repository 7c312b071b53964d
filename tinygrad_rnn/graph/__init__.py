"""The tape rolled up by time, and its derivative: what `compiler/` and `bptt/derivation/` work on."""
