"""The unrolled graph: as a `graphviz.Digraph`, a file, or a page on which the tape plays; gradients as a figure."""

from tinygrad_rnn.draw.graph import graph
from tinygrad_rnn.draw.player import play
from tinygrad_rnn.draw.plots import plot_flow
from tinygrad_rnn.draw.render import Rendered, render

__all__ = ["Rendered", "graph", "play", "plot_flow", "render"]
