"""The SVG of Graphviz with the texts of the grid: centred in their boxes whatever fonts a viewer has.

`dot` measures text with the fonts of the machine that it runs on, and sets each part of a line at a place of its own.
With another font these parts overlap or drift apart. It also writes subscripts as `baseline-shift`, which browsers
ignore.
"""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

from tinygrad_rnn.draw.layout.annotations import furniture, looks, scale_of
from tinygrad_rnn.draw.layout.layout import layout
from tinygrad_rnn.draw.layout.page import lowered
from tinygrad_rnn.draw.style import fonts, theme_named
from tinygrad_rnn.draw.svg_text import box_text, heat_maps, words_around
from tinygrad_rnn.draw.views.boxes import Picture

SVG = "http://www.w3.org/2000/svg"
LINK = "http://www.w3.org/1999/xlink"


def with_own_text(drawn: bytes, pic: Picture, theme: str) -> bytes:
    """Return the SVG that `dot` made of a picture, its texts and heat maps replaced.

    Raises RuntimeError where a box is missing in it.
    """
    colours, places = theme_named(theme), layout(pic)
    scale = scale_of(pic)
    ElementTree.register_namespace("", SVG)
    ElementTree.register_namespace("xlink", LINK)
    root = ElementTree.fromstring(drawn)
    usual = {"font-family": fonts(), "font-size": "11", "text-anchor": "middle", "fill": colours.text}
    root.attrib.update({"role": "img", **usual})
    around = {f"t{k}": text for k, text in enumerate(furniture(pic, places, colours).texts)}
    found = set()
    for group in root.iter(f"{{{SVG}}}g"):
        name = group.findtext(f"{{{SVG}}}title", "")
        if group.get("class") != "node" or not (name in pic.boxes or name in around):
            continue
        shape = _emptied(group)
        if name in around:
            lines = [words_around(around[name], around[name].x, -around[name].y, lowered(pic))]
        else:
            box, (x, y) = pic.boxes[name], places.centre[name]
            _, ink, faint = looks(box, pic, colours, scale)
            lines, below = box_text(box, x, -y, lowered(pic), (ink, faint, colours.text))
            lines += heat_maps(box, x, below, colours)
        shape.extend(ElementTree.fromstring(f'<g xmlns="{SVG}">{"".join(lines)}</g>'))
        found.add(name)
    if missing := [name for name in pic.boxes if name not in found]:
        raise RuntimeError(f'render: `dot` left out {missing[0]}\nmend or update Graphviz, or use engine="grid"')
    written: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return written + b"\n"


def _emptied(group: ElementTree.Element) -> ElementTree.Element:
    """Leave of a node its title and its shape, and return the element that holds the shape."""
    holder = next((link for link in group.iter(f"{{{SVG}}}a")), group)
    shapes = [part for part in holder if part.tag in (f"{{{SVG}}}polygon", f"{{{SVG}}}path")]
    for part in list(holder):
        if part.tag != f"{{{SVG}}}title" and part not in shapes[:1]:
            holder.remove(part)
    return holder
