"""A derivation by hand against the tape, numbers alone and PyTorch."""
