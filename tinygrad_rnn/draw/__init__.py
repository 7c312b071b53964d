"""The graph of a tape: a file, text, for a notebook, a page on which the tape plays; and gradients as a figure."""

from tinygrad_rnn.draw import truncation_bars as cuts  # a second name, for code that imports it
from tinygrad_rnn.draw.dot import graph
from tinygrad_rnn.draw.played import Played
from tinygrad_rnn.draw.player import play
from tinygrad_rnn.draw.plots import plot_flow
from tinygrad_rnn.draw.rendering import Rendered, Shown, render, show
from tinygrad_rnn.draw.terminal import text
from tinygrad_rnn.draw.views.picture import Picture, picture

__all__ = [
    "Picture",
    "Played",
    "Rendered",
    "Shown",
    "cuts",
    "graph",
    "picture",
    "play",
    "plot_flow",
    "render",
    "show",
    "text",
]
