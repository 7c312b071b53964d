"""`compile_tape`: the program of a tape gives what the tape gives, by whatever is asked for and for whatever is fed."""

import numpy as np
import pytest
from agreement import require_agreement

import tinygrad_rnn as tg
from tinygrad_rnn import compiler, nn
from tinygrad_rnn.compiler import compile_tape

PASSES = [compiler.PASSES, (), ("alias", "reuse")]


def small():
    """Return a tape of loss = sum(tanh(x w)^2), with y = x w by name, and these Tensors."""
    rng = np.random.default_rng(0)
    x, w = (tg.Tensor(rng.standard_normal(3), name=name) for name in "xw")
    with tg.Tape() as tape:
        y = tg.named("y", x * w)
        loss = (np.tanh(y) ** 2).sum()
    return tape, loss, x, w, y


def by_hand(x, w):
    """Return dL/dy, for y = x w."""
    return 2 * np.tanh(x * w) * (1 - np.tanh(x * w) ** 2)


@pytest.mark.parametrize("passes", PASSES, ids=str)
def test_the_gradient_by_what_an_entry_made(passes):
    tape, loss, x, w, y = small()
    program = compile_tape(tape, loss, {"y": y, "w": w, "loss": loss}, {"x": x}, passes)
    for new in (x.data, x.data + 1, np.zeros(3)):
        value, gradients = program({"x": new})
        slope = by_hand(new, w.data)
        require_agreement(value, np.array(np.sum(np.tanh(new * w.data) ** 2)))
        require_agreement(gradients, {"y": slope, "w": slope * new, "loss": np.array(1.0)})


def test_an_input_takes_the_place_of_its_entry():
    tape, loss, x, _, y = small()
    program = compile_tape(tape, loss, {"x": x, "y": y}, {"y": y})
    for new in (np.zeros(3), np.ones(3), np.array([np.nan, 1.0, 2.0])):
        value, gradients = program({"y": new})
        require_agreement(value, np.array(np.sum(np.tanh(new) ** 2)))
        require_agreement(gradients, {"x": np.zeros(3), "y": by_hand(new, 1.0)})


def test_what_is_asked_for_twice_is_given_twice():
    tape, loss, x, w, y = small()
    value, (first, again, of_x, of_y) = compile_tape(tape, loss, [w, w, x, y], {"x": x})({"x": x.data})
    slope = by_hand(x.data, w.data)
    require_agreement([first, again, of_x, of_y], [slope * x.data, slope * x.data, slope * w.data, slope])
    first[...] = 0
    assert again.all()
    assert value == loss.item()


def test_inputs_and_gradients_in_sequences_do_not_mix():
    """Input 0 and gradient 0 are two Tensors of one shape."""
    tape, loss, x, w, _ = small()
    value, gradients = compile_tape(tape, loss, (w, x), [x])([x.data * 2])
    require_agreement(value, np.array(np.sum(np.tanh(2 * x.data * w.data) ** 2)))
    slope = by_hand(2 * x.data, w.data)
    require_agreement(gradients, (slope * 2 * x.data, slope * w.data))
    _, gradients = compile_tape(tape, loss, {"a": w}, {"a": x})({"a": x.data * 2})
    require_agreement(gradients, {"a": slope * 2 * x.data})


def test_gradients_are_built_like_a_tree():
    tape, loss, x, w, y = small()
    _, found = compile_tape(tape, loss, {"both": (x, [w]), "y": y}, {"x": x})({"x": x.data})
    require_agreement(found, tape.gradient(loss, {"both": (x, [w]), "y": y}))


@pytest.mark.parametrize("passes", PASSES, ids=str)
@pytest.mark.parametrize("T", [1, 2, 3, 7])
@pytest.mark.parametrize("name", ["rnn", "lstm", "gru"])
def test_states_of_any_step_are_asked_for_and_fed(name, T, passes):
    rng = np.random.default_rng(T)
    p = getattr(nn.init, name)(rng, 3, 4)
    with tg.Tape() as tape:
        hs, _ = nn.unroll(getattr(nn, name), p, rng.standard_normal((T, 2, 3)))
        loss = (hs * hs).mean()
    x = tape.find("x")
    states = [tape.find("h", t=t) for t in range(T)]
    program = compile_tape(tape, loss, {"states": states, "p": p}, {"x": x}, passes)
    for new in (x.data, x.data * 2):
        played, at = tape.rerun({x: new})
        wrt = {"states": [at[h] for h in states], "p": p}
        require_agreement(program({"x": new}), (at[loss].data, played.gradient(at[loss], wrt)))
    for t in {0, T // 2, T - 1}:
        fed, new = states[t], rng.standard_normal((2, 4))
        played, at = tape.rerun({fed: new})
        program = compile_tape(tape, loss, [p, fed, *states[t + 1 :]], {"h": fed}, passes)
        expected = played.gradient(at[loss], [p, *(at[h] for h in states[t:])])
        require_agreement(program({"h": new}), (at[loss].data, expected))


def test_zeros_keep_their_sign():
    x = tg.Tensor([0.5, 1.0])
    with tg.Tape() as tape:
        y = x * 1.0
        first = y[0]
    for zero in (0.0, -0.0):
        value, gradient = compile_tape(tape, first, y, [x])([np.array([zero, 1.0])])
        assert np.signbit(value) == np.signbit(zero)
        require_agreement(gradient, np.array([1.0, 0.0]))


def test_what_a_program_of_a_tape_refuses():
    tape, loss, x, w, y = small()
    for inputs, kind, words in (
        ({"q": tg.Tensor(np.ones(2))}, LookupError, "the input 'q', unnamed (2,), is not on this tape"),
        ({"loss": loss}, ValueError, "the input 'loss' is the loss"),
        ({"a": x, "b": x}, ValueError, "the inputs 'a' and 'b' are one Tensor, 'x' (3,)"),
        ({"x": x.data}, TypeError, "the input 'x' is a ndarray, not a Tensor"),
        ([x, {"w": w}], TypeError, "the input 1 is a dict, not a Tensor"),
    ):
        with pytest.raises(kind) as error:
            compile_tape(tape, loss, w, inputs)
        assert words in str(error.value)
        assert len(str(error.value).split("\n")) == 2
    with pytest.raises(TypeError, match=r"wrt\['a'\]\[0\] is a ndarray"):
        compile_tape(tape, loss, {"a": [x.data]}, {"x": x})
    program = compile_tape(tape, loss, {"w": w, "y": y}, {"x": x})
    require_agreement(program({"x": x.data, "w": w.data}), program({"x": x.data}))
    for values in ({"w": w.data}, {"x": x.data, "y": y.data}, {}, [x.data]):
        with pytest.raises(ValueError, match=r"expected values for x, and for w where they change"):
            program(values)
    with pytest.raises(TypeError, match="a masked array"):
        program({"x": np.ma.masked_array(x.data, [0, 1, 0])})
    with tg.Tape(), pytest.raises(RuntimeError, match="while a tape is open"):
        program({"x": x.data})
    require_agreement(program({"x": x.data.astype(">f8")}), program({"x": x.data}))
    tape.hook(lambda entry, g: 2 * g, "y")
    with pytest.raises(ValueError, match="the tape has hooks"):
        compile_tape(tape, loss, w, {"x": x})
