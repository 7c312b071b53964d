"""What a training step costs on this machine: ours, hand-written NumPy, and the peers that are installed."""
