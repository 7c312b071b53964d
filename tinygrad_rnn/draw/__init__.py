"""The unrolled graph: as a `graphviz.Digraph`, or as a file."""

from tinygrad_rnn.draw.graph import graph
from tinygrad_rnn.draw.render import Rendered, render

__all__ = ["Rendered", "graph", "render"]
