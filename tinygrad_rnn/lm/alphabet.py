"""The characters that a network knows: the letters and the space, or all characters of a text.

>>> known = Alphabet.of("明月几时有，明月")
>>> known.characters, known.indices("月有酒", unknown=True)
('明月几时有，', array([1, 4, 6]))
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.intp]
"""Characters as numbers: the places of the characters in the alphabet."""

ONLY_LETTERS = " abcdefghijklmnopqrstuvwxyz"
KINDS = ("letters", "all")
"""What a run keeps of a text: a to z in lower case and single spaces, as D2L does; or every character as it is."""


@dataclass(frozen=True)
class Alphabet:
    """Characters, each with its place as its index. The index after the last one is for all unknown characters."""

    characters: str = ONLY_LETTERS

    @classmethod
    def of(cls, text: str, least: int = 1) -> Alphabet:
        """Return the characters that occur at least `least` times in a text: the frequent ones first."""
        counts = Counter(text)
        return cls("".join(sorted((c for c, n in counts.items() if n >= least), key=lambda c: (-counts[c], c))))

    @property
    def size(self) -> int:
        """The number of symbols: the characters, and one for the unknown."""
        return len(self.characters) + 1

    @property
    def unknown(self) -> int:
        """The index of all characters that are not in the alphabet."""
        return len(self.characters)

    def indices(self, text: str, unknown: bool = False) -> Indices:
        """Return the index of each character: (n,). With `unknown`, others have an index too.

        Raises ValueError without it, with the characters that are not in the alphabet.
        """
        codes = _codes(text)
        places = np.searchsorted(self._sorted, codes).clip(max=len(self._sorted) - 1)
        found = np.where(self._sorted[places] == codes, self._order[places], self.unknown).astype(np.intp)
        if not unknown and (found == self.unknown).any():
            others = sorted(set(text) - set(self.characters))
            kept = "small letters a to z and spaces" if self == LETTERS else "characters of the text it was trained on"
            raise ValueError(
                f"characters that the network does not know: {' '.join(map(repr, others[:8]))}\nuse {kept}"
            )
        return found

    @cached_property
    def _order(self) -> Indices:
        return np.argsort(_codes(self.characters))

    @cached_property
    def _sorted(self) -> NDArray[np.uint32]:
        return np.sort(_codes(self.characters))


LETTERS = Alphabet()
"""The letters and the space, and one symbol for unknown characters, as in D2L."""


def kind_of(text: str) -> str:
    """Return what suits a text: "all" where more than a tenth of its letters are not a to z or A to Z.

    A Chinese character is a letter. English and French texts stay "letters"; Czech, Russian and Chinese ones are "all".
    """
    letters = [c for c in text if c.isalpha()]
    return "all" if sum(not c.isascii() for c in letters) > len(letters) / 10 else "letters"


def _codes(text: str) -> NDArray[np.uint32]:
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
