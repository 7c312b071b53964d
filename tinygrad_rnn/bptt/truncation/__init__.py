"""The ways to truncate BPTT, what they cost, and exact ways to save memory."""
