"""The graph of a tape: a `graphviz.Digraph`, a file, text, for a notebook; and how gradients flow, as a figure."""

from tinygrad_rnn.draw.graph import graph
from tinygrad_rnn.draw.picture import Picture, picture
from tinygrad_rnn.draw.plots import plot_flow
from tinygrad_rnn.draw.render import Rendered, Shown, render, show
from tinygrad_rnn.draw.text import text

__all__ = ["Picture", "Rendered", "Shown", "graph", "picture", "plot_flow", "render", "show", "text"]
