"""What the player shows of one scan of one chain: a frame for the start and for each round, and what each box holds.

A frame is what is lit in the picture at a position, and what is combined there, in words and in numbers. In a text,
`g_{2}` is a name with a subscript.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from tinygrad_rnn.bptt.comparison.case import Array
from tinygrad_rnn.bptt.gradient_flow.dense_jacobian import batch_of
from tinygrad_rnn.bptt.scans.scan_cost import Way, cost_of
from tinygrad_rnn.bptt.scans.state_chains import Chain
from tinygrad_rnn.draw import scan_tree
from tinygrad_rnn.draw.scan_tree import Round, held, span
from tinygrad_rnn.draw.shown_arrays import ShownArrays
from tinygrad_rnn.language.saying import counts, joined, listed, say, template
from tinygrad_rnn.nn import associative

Data = dict[str, Any]
COMPOSED = "(A_{2}, b_{2}) ∘ (A_{1}, b_{1}) = (A_{2} A_{1}, A_{2} b_{1} + b_{2})"
"""The composition of two pairs."""


def by_number(rounds: Iterator[tuple[Any, Any]]) -> list[Round]:
    """Return the rounds of a scan as pairs of numbers."""
    return [[*zip(i.tolist(), j.tolist(), strict=True)] for i, j in rounds]


def titles(T: int, name: str, depth: int) -> tuple[str, str]:
    """Return the titles of a drawing: of the walk over T steps, and of a scan of this depth."""
    one, several = template("The walk: {n} product"), template("The walk: {n} products, one after another")
    return counts(T - 1, one, several) if T > 1 else say("The walk: no product"), f"{name}: {in_rounds(depth)}"


def in_rounds(count: int) -> str:
    """Return a number of rounds in words."""
    return counts(count, template("{n} round"), template("{n} rounds"))


@dataclass(frozen=True)
class ScanFrames:
    """One scan of one chain. Places count from the last step, place 0.

    added: as of `Scanned`. steps: the numbers of the steps, in the order of the run. lean: whether it is the scan of
    few products. which: the chain, in words, where there are several. prefix: how the ids of the picture begin.
    """

    chain: Chain
    added: Array
    steps: Sequence[object]
    lean: bool
    which: str
    prefix: str
    arrays: ShownArrays

    @cached_property
    def rounds(self) -> list[Round]:
        """The products of each round."""
        T = len(self.steps)
        return by_number(associative.lean_rounds(T) if self.lean else associative.rounds(T))

    @cached_property
    def begins(self) -> list[list[int]]:
        """The first place of the block of each place, at each level."""
        return held(len(self.steps), self.rounds)

    @cached_property
    def levels(self) -> list[tuple[Array, Array]]:
        """The pairs (A, b) at the start and after each round."""
        found = [self.chain.pairs(self.added)]
        for products in self.rounds:
            i, j = np.array(products).T
            with np.errstate(all="ignore"):  # numbers that are not finite are shown as such
                found.append(associative.joined(*found[-1], i, j))
        return found

    def svg(self, name: str) -> str:
        """Return the drawing, with the ids of the frames and of the boxes."""
        T, depth = len(self.steps), len(self.rounds)
        words = [*(say("round {n}", n=n) for n in range(1, depth + 1)), say("pairs")]
        sheet = scan_tree.small(T, depth)
        return scan_tree.svg(self.steps, self.rounds, titles(T, name, depth), words, sheet, self.prefix)

    def frames(self) -> Iterator[Data]:
        """Yield a frame for the start and for each round."""
        T, depth = len(self.steps), len(self.rounds)
        walk, *scans = cost_of([self.chain]).ways
        for n in range(depth + 1):
            products = self.rounds[n - 1] if n else []
            names = listed(self.chain.names)
            states = names if self.which else say("chain of {states}", states=names)
            head = self._head(n) if n else say("The pairs")
            place = say("round {n} of {depth}", n=n, depth=depth) if n else say("pairs")
            within = [self.which] if self.which else []
            yield {
                "head": str(listed([head, *within, states])),
                "place": str(listed([place, *within])),
                "words": self._words_of_round(n) if n else self._words_of_start(),
                "products": [self._product(n, *product) for product in products],
                "prefix": self.prefix,
                "level": n,
                "walk": min(n, T - 1),
                "at": f"n{n}_{products[0][0] if products else 0}",
                "bars": [_bar(walk, n), _bar(scans[self.lean], n)],
            }

    def boxes(self) -> dict[str, Data]:
        """Return what each box holds, by id: of the walk, the cotangents."""
        found = {}
        for n, begins in enumerate(self.begins):
            for place, begin in enumerate(begins):
                name = say("pair {steps}", steps=span(self.steps, place, begin)) if begin else self._g(place)
                rules = [self._carries(place, begin)] if begin else []
                found[f"{self.prefix}n{n}_{place}"] = {"name": name, "rules": rules, "arrays": self._held(n, place)}
        for place in range(len(self.steps)):
            rules = [self._carries(place, place)] if place else []
            about = {"name": self._g(place), "rules": rules, "arrays": self._held(-1, place)}
            found[f"{self.prefix}w{place}"] = about
        return found

    def _head(self, n: int) -> str:
        depth, up = len(self.rounds), len(self.steps).bit_length() - 1
        if not self.lean:
            return say("Round {n} of {depth}", n=n, depth=depth)
        if n <= up:
            return say("Up-sweep, round {n} of {depth}", n=n, depth=depth)
        return say("Down-sweep, round {n} of {depth}", n=n, depth=depth)

    def _words_of_start(self) -> list[str]:
        m, step, last = self.chain.size, *self.steps[-2:]
        one, several = template("{n} number"), template("{n} numbers")
        words = [
            say(
                "{g} is short for {gradients}: {size} for an example.",
                g="g_{k}",
                gradients=joined(map(_derivative, self.chain.names)),
                size=counts(self._of_one(self.levels[0][1][0]).size, one, several),
            ),
            say(
                "{rule}, where {A} is the step Jacobian of step {last}, transposed, and {b} is what reaches the "
                "state of step {step} past the next state. So each step is a pair (A, b).",
                rule=self._carries(1, 1),
                A=f"A_{{{step}}}",
                b=f"b_{{{step}}}",
                last=last,
                step=step,
            ),
            say("Nothing comes after the last step: {rule} is known.", rule=f"{self._g(0)} = b_{{{last}}}"),
        ]
        if len(self.steps) > 2:
            place = len(self.steps) - 1
            steps, rule = span(self.steps, place, place - 1), self._carries(place, place - 1)
            words.append(say("A box {steps} holds the pair of these steps: {rule}.", steps=steps, rule=rule))
        words.append(
            say("The walk makes one cotangent after another. A scan combines pairs next to each other, many at once.")
        )
        if self.chain.diagonal and m == 1:
            words.append(say("The Jacobians are diagonal: A is a vector, and a product goes entry by entry."))
        elif self.chain.diagonal:
            words.append(
                say("The Jacobians are diagonal: each place of the state has a matrix A of its own, {m}×{m}.", m=m)
            )
        count = self.chain.rows
        if count > batch_of(self.chain.states[0]):
            words.append(
                say("The state has {count} rows that do not meet. The numbers are those of the first.", count=count)
            )
        elif count > 1:
            words.append(say("The numbers are those of the first of {count} examples.", count=count))
        size = self._of_one(self.levels[0][0][0]).size
        if not self.arrays.is_whole(size):
            words.append(
                say("A has {size:,} numbers, too many to be read: only its shape and its norm are shown.", size=size)
            )
        return words

    def _words_of_round(self, n: int) -> list[str]:
        T, depth, count = len(self.steps), len(self.rounds), len(self.rounds[n - 1])
        known = sum(begin == 0 for begin in self.begins[n])
        words = []
        if self.lean and n <= T.bit_length() - 1:
            words.append(say("The up-sweep joins neighbours to blocks of twice as many steps."))
        elif self.lean:
            words.append(say("The down-sweep gives blocks in between the cotangent that they lack."))
        products = counts(count, template("{n} product"), template("{n} products at once"))
        words.append(say("{products}: {rule}.", products=products, rule=COMPOSED))
        if n < depth:
            now = say(
                "Now {known} of {T} cotangents are known; the walk, with a product in each round, knows {walk}.",
                known=known,
                T=T,
                walk=min(n + 1, T),
            )
            return [*words, now]
        found = say(
            "All {T} cotangents are known after {rounds}; the walk needs {walk}.",
            T=T,
            rounds=in_rounds(depth),
            walk=in_rounds(T - 1),
        )
        return [
            *words,
            found,
            *([] if self.lean else [say("The depth is log2 {T}, rounded up: {depth}.", T=T, depth=depth)]),
        ]

    def _product(self, n: int, place: int, other: int) -> Data:
        """Return one product of a round: what is combined, the rules, and the numbers of the result and the parts."""
        begins = self.begins[n - 1]
        own, begin = span(self.steps, place, begins[place]), begins[other]
        whole, taken = span(self.steps, place, begin), span(self.steps, other, begin)
        rules = [self._sum(self._g(place), own, self._g(other))]
        head = say("pair {own} and {g} give {result}", own=own, g=self._g(other), result=self._g(place))
        if begin:
            head = say("pair {own} and pair {other} give pair {whole}", own=own, other=taken, whole=whole)
            rules = [
                f"A_{{{whole}}} = A_{{{own}}}{self._times}A_{{{taken}}}",
                self._sum(f"b_{{{whole}}}", own, f"b_{{{taken}}}"),
            ]
        arrays = [self._held(n, place), self._held(n - 1, place), self._held(n - 1, other)]
        return {
            "to": f"n{n}_{place}",
            "from": [f"n{n - 1}_{place}", f"n{n - 1}_{other}"],
            "head": head,
            "rules": rules,
            "result": arrays[0],
            "parts": arrays[1] + arrays[2],
        }

    def _held(self, n: int, place: int) -> list[tuple[str, int]]:
        """Return the arrays at a place after n rounds, each with its name: A and b of a pair, or a cotangent."""
        (A, b), begin = self.levels[n], self.begins[n][place]
        if begin == 0:
            return [(self._g(place), self._number(b[place]))]
        own = span(self.steps, place, begin)
        return [(f"A_{{{own}}}", self._number(A[place])), (f"b_{{{own}}}", self._number(b[place]))]

    def _g(self, place: int) -> str:
        return f"g_{{{self.steps[len(self.steps) - 1 - place]}}}"

    @property
    def _times(self) -> str:
        return " ⊙ " if self.chain.size == 1 else " "

    def _sum(self, made: str, own: str, of: str) -> str:
        return f"{made} = A_{{{own}}}{self._times}{of} + b_{{{own}}}"

    def _carries(self, place: int, begin: int) -> str:
        """Return the rule of the pair of a block: how it gives the cotangent of its place from that after its block."""
        return self._sum(self._g(place), span(self.steps, place, begin), self._g(begin - 1))

    def _number(self, values: Array) -> int:
        return self.arrays.number(self._of_one(values))

    def _of_one(self, values: Array) -> Array:
        """Return what belongs to the first example: a diagonal chain has the axes of its states, of any number."""
        alone = self.chain.diagonal and min(s.ndim for s in self.chain.states[0]) < 2
        values = values if alone else values[0]
        return values[..., 0] if self.chain.size == 1 else values


def _derivative(name: str) -> str:
    """Return the gradient by a state in step k: `dL/dh_{k}`, with the labels of its layer."""
    name, *labels = name.split(" ", 1)
    return f"dL/d{name}_{{k}}" + "".join(f" ({each})" for each in labels)


def _bar(way: Way, done: int) -> Data:
    return {"name": str(way.name), "done": min(done, way.depth), "all": way.depth, "work": f"{way.work:,}"}
