"""The passes: each takes a graph to one that computes the same in fewer, larger calls. A file for each."""
