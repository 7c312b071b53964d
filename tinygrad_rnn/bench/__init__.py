"""The time of a training step on this machine: ours, NumPy by hand, and the peers that are installed."""
