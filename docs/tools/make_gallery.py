"""Write the galleries of the docs, `gallery.md` and `zh/gallery.md`, and their drawings, by the project's own grid.

Each has every view of every network, with words in its language.

    python docs/tools/make_gallery.py

The tests do the same, and fail if the page or a drawing differs.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from chinese_gallery import NETWORKS as CHINESE_NETWORKS
from chinese_gallery import PAGE as CHINESE_PAGE
from chinese_gallery import TERMINAL as CHINESE_TERMINAL
from chinese_gallery import WORDS as CHINESE_WORDS

import tinygrad_rnn as tg
from tinygrad_rnn import draw, nn
from tinygrad_rnn.draw.slide import styled
from tinygrad_rnn.draw.svg import svg
from tinygrad_rnn.language.saying import sentence

DOCS = Path(__file__).parents[1]
FOLDERS = {"en": DOCS / "images" / "gallery", "zh": DOCS / "images" / "gallery" / "zh"}
"""The folder of the drawings in each language."""
PAGES = {"en": DOCS / "gallery.md", "zh": DOCS / "zh" / "gallery.md"}

PAGE = """# Gallery

*For anyone who wants a picture. 5 minutes.*

Every picture on this page is drawn from a tape: a cell ran as ordinary forward code, and the tape recorded it. Time
runs to the right. Each step runs from the bottom to the top, and so do the layers. Blue boxes are states, orange
boxes gates, violet boxes other named values, and grey boxes operations. Green boxes are inputs. Dashed boxes are
copies of parameters, one at each use. Blue arrows carry a state from step to step. The initial state has the number of
the step before the first one, and `first_step` says where [the numbers of steps](tape.md#time) begin.

With a box for each gate or cell, the letters on the arrows are parameters: W multiplies what flows along its arrow.
They are found on the tape, and the line below the steps names them. A parameter is used at every step, so its
gradient is a sum over the steps. Where gradients are drawn, the copy at a step says what this use *adds* (of an array,
the norm). The rows below the steps repeat that and end with the sum.

```python
import numpy as np
import tinygrad_rnn as tg
from tinygrad_rnn import draw, nn

rng = np.random.default_rng(0)
with tg.Tape() as tape:
    hs, _ = nn.unroll(nn.lstm, nn.init.lstm(rng, 3, 4), rng.standard_normal((4, 2, 3)))
    L = tg.named("L", nn.mse(hs, np.zeros((4, 2, 4))))

draw.render(tape, "lstm.svg", level="gates")  # a file; draw.show(tape) in a notebook
draw.render(tape, "flow.svg", level="cells", flow=L)  # the gradient that comes back
draw.render(tape, "figure.svg", view="textbook")  # the figure of a textbook
draw.render(tape, "slide.svg", style="slide", loss=L)  # for a projector
print(draw.text(tape))  # the same, in a terminal
```

Two engines draw the same boxes, with the same ids, at the same places: Graphviz (`dot`, if it is installed) and the
project's own grid, which needs no other program. The table gives the seconds from the tape to an SVG file, for an
LSTM of two layers on one core (`demos/benchmark/drawing.py`):

| boxes | grid | `dot` |
|---:|---:|---:|
| 460 | 0.03 | 0.1 |
| 1,900 | 0.1 | 0.4 |
| 9,500 | 0.6 | |
| 94,000 | 7.5 | |

`dot` gets the place of every box and the route of every arrow (`layout=nop2`). If it has to find them itself, it
takes 24 s for 500 boxes with straight arrows, and moves the steps apart.
"""


def recorded(name: str, T: int) -> tuple[tg.Tape, Any]:
    """Record a network over T steps; return the tape and the loss."""
    rng = np.random.default_rng(0)
    xs = rng.standard_normal((T, 2, 3))
    with tg.Tape() as tape:
        if name in LAYERS:
            net = LAYERS[name]
            hs, _ = net(net.init(rng), xs)
        elif name == "numbers":
            params = {"w": tg.Tensor(0.5, name="w"), "u": tg.Tensor(0.8, name="u")}
            hs, _ = nn.unroll(scalar, params, np.array([1.0, -0.5, 2.0]), np.array(0.0))
        elif name == "own":
            params = {"W": tg.Tensor(rng.standard_normal((3, 4)), name="W"), "decay": tg.Tensor(0.9, name="decay")}
            hs, _ = nn.unroll(trace, params, xs, np.zeros((2, 4)))
        else:
            hs, _ = nn.unroll(getattr(nn, name), getattr(nn.init, name)(rng, 3, 4), xs)
        loss = tg.named("L", nn.mse(hs, np.zeros(hs.shape)))
    return tape, loss


def trace(params: Any, x: Any, m: Any) -> Any:
    """Return the next state of a decaying trace of the inputs: m_t = decay m_{t-1} + tanh(x_t W)."""
    return params["decay"] * m + np.tanh(x @ params["W"])


def scalar(params: Any, x: Any, h: Any) -> Any:
    """Return h_t = tanh(w x_t + u h_{t-1}), of single numbers."""
    return np.tanh(params["w"] * x + params["u"] * h)


LAYERS = {
    "two_layers": nn.GRU(3, 4, num_layers=2),
    "bidirectional": nn.RNN(3, 4, bidirectional=True),
    "two_layers_bidirectional": nn.LSTM(3, 4, num_layers=2, bidirectional=True),
}
NETWORKS = {
    "numbers": "A recurrence of single numbers",
    "rnn": "The simple RNN",
    "lstm": "LSTM",
    "gru": "GRU",
    "gru_textbook": "GRU, the reset gate before the matrix",
    "residual_rnn": "Residual RNN",
    "two_layers": "Two layers (GRU)",
    "bidirectional": "Both directions (RNN)",
    "two_layers_bidirectional": "Two layers, both directions (LSTM)",
    "own": "A cell of your own",
}
WORDS = {
    "cells": "One box for each cell",
    "gates": "One box for each gate",
    "ops": "Every operation",
    "rolled": "One step, with its recurrent edges",
    "flow": "The norm of the gradient that comes back",
    "flow_gates": "The norm of the gradient that comes back, by gates; a parameter shows what this step adds",
    "truncated": "Truncated: the gradient is cut before t = 2",
    "truncated_dark": "Truncated, in the dark theme",
    "values": "Values and gradients",
    "heat": "Small heat maps of the values and the gradients",
    "textbook": "The figure of a textbook: rolled and unrolled",
    "slide": "A slide: 1920 x 1080, type of 18 points or more, the steps that fit",
    "slide_flow": "A dark slide, with the gradient that comes back",
    "long": "Both ends of a long sequence",
}
TITLES = {"en": (NETWORKS, WORDS), "zh": (CHINESE_NETWORKS, CHINESE_WORDS)}
"""What networks and views are called in each language."""


def drawings(language: str = "en") -> dict[str, dict[str, str]]:
    """Return the text of every SVG file, by network and view."""
    with tg.speak(language):
        return _drawings(
            NETWORKS if language == "en" else CHINESE_NETWORKS, WORDS if language == "en" else CHINESE_WORDS
        )


def _drawings(networks: dict[str, str], words: dict[str, str]) -> dict[str, dict[str, str]]:
    pages: dict[str, dict[str, str]] = {}
    for name in NETWORKS:
        tape, loss = recorded(name, 3)
        small = name in ("two_layers", "bidirectional", "two_layers_bidirectional")
        options: dict[str, dict[str, Any]] = {
            "cells": {"level": "cells"},
            "gates": {"level": "gates", "steps": None if not small else [0, 1]},
            "ops": {"level": "ops", "steps": [0, 1] if not small else [1]},
            "rolled": {"level": "gates", "view": "rolled"},
            "flow": {"level": "cells", "flow": loss},
            "textbook": {"view": "textbook"},
        }
        if name in ("rnn", "lstm", "gru", "numbers"):
            options["slide"] = {"style": "slide", "loss": loss}
            options["slide_flow"] = {"style": "slide", "flow": loss, "theme": "dark"}
        if name == "lstm":
            options["flow_gates"] = {"level": "gates", "flow": loss}
            options["truncated"] = {"level": "gates", "flow": loss, "cuts": [2]}
            options["truncated_dark"] = {**options["truncated"], "theme": "dark"}
        if name == "rnn":
            shown = ("shape", "value", "grad")
            options["values"] = {"level": "gates", "show": shown, "loss": loss, "steps": [0, 1]}
            options["heat"] = {"level": "gates", "show": (*shown, "heat"), "loss": loss, "steps": [1]}
        pages[name] = {
            view: drawn(tape, _title(networks[name], words[view]), **wanted) for view, wanted in options.items()
        }
    tape, _ = recorded("lstm", 200)
    pages["lstm"]["long"] = drawn(tape, words["long"], level="cells")
    return pages


def drawn(tape: tg.Tape, title: str, theme: str = "light", **options: Any) -> str:
    """Return one drawing as the text of an SVG file."""
    return svg(styled(tape, **options), title, theme)


def _title(network: str, words: str) -> str:
    return str(sentence("{title}: {verdict}", title=network, verdict=words))


def page(language: str = "en") -> str:
    """Return the text of the gallery in a language."""
    english, (networks, words) = language == "en", TITLES[language]
    parts, folder = [PAGE if english else CHINESE_PAGE], "images/gallery" if english else "../images/gallery/zh"
    with tg.speak(language):
        for name, views in drawings(language).items():
            parts.append(f"## {networks[name]}\n")
            for view in views:
                title, colon = _title(networks[name], words[view]), ":" if english else "："
                parts.append(f"{words[view]}{colon}\n\n![{title}]({folder}/{name}_{view}.svg)\n")
        tape, _ = recorded("lstm", 4)
        ending = "## In a terminal\n\n`print(draw.text(tape))` of an LSTM:" if english else CHINESE_TERMINAL
        parts.append(f"{ending}\n\n```text\n{draw.text(tape)}\n```\n")
    return "\n".join(parts)


def main() -> None:
    """Write the pages and their drawings."""
    for language, folder in FOLDERS.items():
        folder.mkdir(parents=True, exist_ok=True)
        for name, views in drawings(language).items():
            for view, text in views.items():
                (folder / f"{name}_{view}.svg").write_text(text, encoding="utf-8")
        PAGES[language].write_text(page(language), encoding="utf-8")


if __name__ == "__main__":
    main()
