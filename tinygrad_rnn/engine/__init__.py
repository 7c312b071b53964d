"""The autodiff engine: recording, tensors, primitives, the tape and what is read off it."""
