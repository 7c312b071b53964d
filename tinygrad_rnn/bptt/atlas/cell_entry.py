"""An entry of the atlas: all that is known of a cell, counted, measured and checked when it is asked for."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from tinygrad_rnn.bptt.atlas.cell_facts import Facts
from tinygrad_rnn.bptt.atlas.entry_checks import require_counted_products, require_right_gradients
from tinygrad_rnn.bptt.atlas.linearity import Linear, linearity
from tinygrad_rnn.bptt.atlas.memory_factor import Kept, kept
from tinygrad_rnn.bptt.atlas.published import PUBLISHED
from tinygrad_rnn.bptt.atlas.starting import MARKS, Pattern, block_norms, gradient_curve, pattern
from tinygrad_rnn.bptt.atlas.step_cost import StepCost, cost_of_step, zeros
from tinygrad_rnn.bptt.atlas.symbolic_sizes import USUAL, Size, fitted, fitted_shape, shape_text
from tinygrad_rnn.bptt.derivation.derive import Derivation, derive
from tinygrad_rnn.language.current import speaking
from tinygrad_rnn.nn.time_loop import state_names

FLOAT64 = 8
"""The bytes of a number."""
CODE = (100, 120)
"""The characters of a line of code: what a page has room for; more where a tuple would be a column of names else."""


class CellEntry:
    """A cell of `nn` in the atlas: sizes, cost, formulas, step Jacobian, and a gradient over 200 steps.

    Each property is computed when it is first read. Formulas and code are checked by `derive`; sizes are formulas in I
    and H that hold at other values too. `check` compares gradients with derivatives by numbers alone.
    """

    def __init__(self, facts: Facts) -> None:
        self.facts = facts

    @property
    def name(self) -> str:
        """The name of the cell."""
        return self.facts.name

    @cached_property
    def parameters(self) -> dict[str, tuple[Size, ...]]:
        """The shape of each parameter, as formulas in I and H."""
        names = self._initial(*USUAL)
        return {name: fitted_shape(lambda i, h, name=name: self._initial(i, h)[name].shape) for name in names}  # type: ignore[misc]

    @cached_property
    def parameter_count(self) -> Size:
        """The number of entries of all parameters."""
        return fitted(lambda i, h: sum(p.size for p in self._initial(i, h).values()))

    @cached_property
    def states(self) -> dict[str, tuple[Size, ...]]:
        """The shape of each state of one example, as formulas in I and H."""
        names = state_names(self.facts.cell)
        return {name: fitted_shape(lambda i, h, k=k: self._zeros(i, h)[k].shape[1:]) for k, name in enumerate(names)}  # type: ignore[misc]

    @cached_property
    def state_size(self) -> Size:
        """The number of entries of all states of one example."""
        return fitted(lambda i, h: sum(s.size for s in self._zeros(i, h)))

    @property
    def state_bytes(self) -> Size:
        """The number of bytes of all states of one example, in float64."""
        return self.state_size * FLOAT64

    @cached_property
    def cost(self) -> StepCost:
        """The cost of a step of one example."""
        return cost_of_step(self.facts)

    @cached_property
    def _linearity(self) -> tuple[Linear, str]:
        return linearity(self.facts)

    @property
    def linear(self) -> Linear:
        """Whether the new state is linear in the old one."""
        return self._linearity[0]

    @property
    def no_scan(self) -> str:
        """The reason why `nn.scan` refuses the cell; "" where it takes it."""
        return self._linearity[1]

    @cached_property
    def curve(self) -> list[float]:
        """log10 |dL/ds_k| at the distances 0 to 200 from the loss, at the initial parameters."""
        return gradient_curve(self.facts)

    @property
    def marks(self) -> dict[int, float]:
        """The curve at 10, 50 and 200 steps."""
        return {distance: self.curve[distance] for distance in MARKS}

    @cached_property
    def kept(self) -> Kept:
        """What the memory keeps of itself at each step, and how far that explains the curve."""
        alone = self.linear is Linear.SCAN or self.name == "ind_rnn"
        return kept(self.facts, self.curve, alone)

    @property
    def spectral_norm(self) -> float:
        """The spectral norm of the step Jacobian at the initial parameters."""
        return self.block_norms["s", "s"]

    @cached_property
    def block_norms(self) -> dict[tuple[str, str], float]:
        """The spectral norms of the blocks of the step Jacobian by (new state, old state); of all of it by "s"."""
        return block_norms(self.facts)

    @cached_property
    def pattern(self) -> Pattern:
        """Which entries of the step Jacobian are not zero."""
        return pattern(self.facts)

    @cached_property
    def _derived(self) -> tuple[Derivation | None, str]:
        try:
            derivation = derive(self.facts.cell)
            _code(derivation)
            _ = derivation.formulas
        except ValueError as refusal:
            return None, str(refusal).splitlines()[0].removeprefix("derive: ")
        return derivation, ""

    @property
    def derivation(self) -> Derivation | None:
        """BPTT of the cell, derived and checked; None where `derive` refuses it."""
        return self._derived[0]

    @property
    def code(self) -> str:
        """BPTT of the cell in NumPy; "" where `derive` refuses it."""
        return _code(self.derivation) if self.derivation else ""

    @property
    def refusal(self) -> str:
        """Why `derive` refuses the cell; "" where it does not."""
        return self._derived[1]

    def check(self) -> None:
        """Compare the gradients with a complex step or differences, and counts with their formulas, once.

        Raises AssertionError or ArithmeticError at the first difference.
        """
        _ = self._checked

    @cached_property
    def _checked(self) -> bool:
        require_right_gradients(self.facts)
        require_counted_products(self.facts, self.cost.products.usual)
        by_shape = sum(int(np.prod([size.usual for size in shape])) for shape in self.parameters.values())
        if by_shape != self.parameter_count.usual:
            raise ArithmeticError(f"atlas: {self.name} has {self.parameter_count.usual} parameters, not {by_shape}")
        return True

    def to_dict(self) -> dict[str, Any]:
        """Return all of the entry as plain values: sizes as formulas and at I = 10, H = 32; words in English."""
        with speaking("en"):
            return self._plain()

    def _plain(self) -> dict[str, Any]:
        facts, derivation = self.facts, self.derivation
        sizes = {
            "parameters": self.parameter_count,
            "states": self.state_size,
            "multiply_adds": self.cost.products,
            "other_operations": self.cost.others,
            "multiply_adds_from_state_to_state": self.cost.waiting_products,
            "other_operations_from_state_to_state": self.cost.waiting_others,
        }
        return {
            "title": str(facts.title),
            "says": str(facts.says),
            "source": str(facts.paper),
            "at": str(facts.at),
            "differs": str(facts.differs),
            "published": str(PUBLISHED[self.name]),
            "year": facts.paper.year,
            "parameter_shapes": {name: shape_text(shape) for name, shape in self.parameters.items()},
            "state_shapes": {name: shape_text(shape) for name, shape in self.states.items()},
            "sizes": {name: {"formula": str(size), "value": size.usual} for name, size in sizes.items()},
            "state_bytes": self.state_bytes.usual,
            "linear_in_state": self.linear.value,
            "no_scan": self.no_scan,
            "spectral_norm": self.spectral_norm,
            "block_norms": {f"{new} by {old}": norm for (new, old), norm in self.block_norms.items() if new != "s"},
            "jacobian": self.pattern.entries.astype(int).tolist(),
            "log10_gradient": self.curve,
            "kept": self.kept._asdict() | {"memory": str(self.kept.memory), "words": str(self.kept.words())},
            "formulas": derivation.lines() if derivation else {},
            "numpy": self.code,
            "refusal": self.refusal,
        }

    def _initial(self, inputs: int, hidden: int) -> dict[str, Any]:
        found: dict[str, Any] = self.facts.init(np.random.default_rng(0), inputs, hidden)
        return found

    def _zeros(self, inputs: int, hidden: int) -> list[Any]:
        return zeros(self.facts, self._initial(inputs, hidden), np.zeros((1, inputs)))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self.name}: print it for the page, .to_dict() has the numbers>"


def _code(derivation: Derivation) -> str:
    narrow, wide = CODE
    code = derivation.numpy(narrow)
    return derivation.numpy(wide) if "kept.append(\n" in code else code
