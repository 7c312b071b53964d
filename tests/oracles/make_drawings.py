"""Write `drawings.txt`: what is drawn of every network in every view. Read the difference before it is committed.

python tests/oracles/make_drawings.py
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
from drawings import NETWORKS, VIEWS, described, options_for, recorded

from tinygrad_rnn.draw.views.picture import picture


def text():
    """The whole file."""
    parts = []
    for name in NETWORKS:
        tape, _, options = recorded(name)
        for view, level in VIEWS:
            pic = picture(tape, view=view, level=level, **options_for(options, view))
            parts.append("\n".join([f"# {name} {view} {level}", *described(pic), ""]))
    return "\n".join(parts)


if __name__ == "__main__":
    (Path(__file__).parent / "drawings.txt").write_text(text(), encoding="utf-8")
