"""The ways to truncate BPTT, their bias and variance, and exact ways to save memory."""
