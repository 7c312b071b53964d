"""The tape: what it records, the walk back, higher orders, rerun, names, text, copies, threads."""

import copy
import pickle
import threading
from collections import deque

import numpy as np
import pytest
from cells import WITH_HAND

import tinygrad_rnn as tg
from tinygrad_rnn import nn
from tinygrad_rnn.core.backward import pull_arrays, walk
from tinygrad_rnn.core.recording import current


def problem(cell, T=3, B=2):
    rng = np.random.default_rng(0)
    params = getattr(nn.init, cell)(rng, 3, 4)
    return params, rng.standard_normal((T, B, 3)), rng.standard_normal((T, B, 4))


def test_the_answer_has_the_form_of_the_question():
    x, y = tg.Tensor([1.0, 2.0], name="x"), tg.Tensor(3.0, name="y")
    with tg.Tape() as tape:
        loss = (x * y).sum()
    assert tape.gradient(loss, x).tolist() == [3, 3]
    assert [g.tolist() for g in tape.gradient(loss, (x, y))] == [[3, 3], 3]
    assert {k: g.tolist() for k, g in tape.gradient(loss, {"a": x, "b": y}).items()} == {"a": [3, 3], "b": 3}
    assert tape.gradient(loss, []) == []
    assert tape.gradient(loss, x, seed=2).tolist() == [6, 6]


def test_an_upstream_gradient_for_every_hidden_state():
    params, xs, dhs = problem("gru")
    with tg.Tape() as tape:
        hs, _ = nn.unroll(nn.gru, params, xs)
        scalar = (hs * dhs).sum()
    seeded, summed = tape.gradient(hs, params, seed=dhs), tape.gradient(scalar, params)
    for name in params:
        np.testing.assert_allclose(seeded[name], summed[name], rtol=1e-14)


def test_what_the_loss_does_not_reach_has_gradient_zero_and_results_may_be_asked_for():
    x, other = tg.Tensor(2.0), tg.Tensor([1.0, 1.0])
    with tg.Tape() as tape:
        y = x * x
        z = y * y
        unused = other * 2
    assert tape.gradient(z, [y, x, other, unused, z]) == [
        pytest.approx(8),
        pytest.approx(32),
        pytest.approx(0),
        pytest.approx(0),
        pytest.approx(1),
    ]


def test_gradients_are_arrays_of_their_own():
    x, y = tg.Tensor(np.ones((2, 3))), tg.Tensor(np.ones((2, 3)))
    with tg.Tape() as tape:
        s = x + y
        loss = s.sum()
    found = tape.gradient(loss, [x, y, x, s])
    for k, g in enumerate(found):
        assert type(g) is np.ndarray
        g[0, 0] = k + 10
    assert [g[0, 0] for g in found] == [10, 11, 12, 13]
    assert tape.gradient(loss, x).tolist() == np.ones((2, 3)).tolist()


def test_a_seed_is_read_and_never_written():
    x, seed = tg.Tensor([1.0, 2.0, 3.0]), np.array([1.0, 10.0, 100.0])
    with tg.Tape() as tape:
        y = x * 1
        z = y + y[::-1] + y
    found = tape.gradient(z, [z, y, x], seed=seed)
    assert [g.tolist() for g in found] == [[1, 10, 100], [102, 30, 201], [102, 30, 201]]
    for g in found:
        g[:] = 0
    list(tape.rewind(z, seed=seed))
    assert seed.tolist() == [1, 10, 100]


def test_a_tensor_used_many_times_collects_every_contribution():
    rng = np.random.default_rng(0)
    x = tg.Tensor(rng.standard_normal((4, 3)))
    with tg.Tape() as tape:
        y = x[0] * x[1] + x.sum(axis=0) * x[3] + (x @ x.T)[2, 1]
        loss = y.sum() + x[1:3, ::2].sum() * x[[0, 0]].sum() + x.mean()
    g = tape.gradient(loss, x)
    for step in (1e-6,):
        v = rng.standard_normal((4, 3))

        def value(a):
            y = a[0] * a[1] + a.sum(axis=0) * a[3] + (a @ a.T)[2, 1]
            return y.sum() + a[1:3, ::2].sum() * a[[0, 0]].sum() + a.mean()

        numeric = (value(x.data + step * v) - value(x.data - step * v)) / (2 * step)
        assert (g * v).sum() == pytest.approx(numeric, rel=1e-8)


@pytest.mark.parametrize("cell", WITH_HAND)
def test_a_hessian_vector_product_through_each_cell(cell):
    params, xs, targets = problem(cell)
    rng = np.random.default_rng(1)
    direction = {name: rng.standard_normal(p.shape) for name, p in params.items()}

    def gradients(p):
        with tg.Tape() as tape:
            loss = nn.mse(nn.unroll(getattr(nn, cell), p, xs)[0], targets)
        return tape.gradient(loss, p)

    with tg.Tape() as outer:
        first = gradients(params)
        slope = sum((first[name] * direction[name]).sum() for name in params)
    hvp = outer.gradient(slope, params)
    e = 1e-5
    sides = [
        gradients({name: tg.Tensor(p.data + sign * e * direction[name]) for name, p in params.items()})
        for sign in (1, -1)
    ]
    for name in params:
        numeric = (sides[0][name] - sides[1][name]) / (2 * e)
        np.testing.assert_allclose(hvp[name], numeric, rtol=0, atol=1e-6 * np.abs(numeric).max(), err_msg=name)
        assert np.abs(numeric).max() > 1e-3


def test_derivatives_of_every_order():
    x = tg.Tensor(0.7)
    with tg.Tape() as third, tg.Tape() as second, tg.Tape() as first:
        y, z = np.tanh(x), x**3
        dy, dz = first.gradient(y, x), first.gradient(z, x)
        ddy, ddz = second.gradient(dy, x), second.gradient(dz, x)
    t = np.tanh(0.7)
    s = 1 - t * t
    assert dy.item() == pytest.approx(s, rel=1e-14)
    assert ddy.item() == pytest.approx(-2 * t * s, rel=1e-14)
    assert third.gradient(ddy, x) == pytest.approx(-2 * s * s + 4 * t * t * s, rel=1e-14)
    assert (dz.item(), ddz.item(), third.gradient(ddz, x).item()) == pytest.approx((3 * 0.49, 4.2, 6))


def test_a_gradient_inside_a_differentiated_program():
    x, y = tg.Tensor(3.0), tg.Tensor(3.0)
    with tg.Tape() as outer:
        with tg.Tape() as inner:
            product = x * y
        z = x * inner.gradient(product, y)
    assert outer.gradient(z, x) == 6


def test_recorded_gradients_carry_the_scope_of_the_forward_pass():
    params, xs, targets = problem("lstm")
    with tg.Tape() as tape:
        loss = nn.mse(nn.unroll(nn.lstm, params, xs)[0], targets)
        forward = len(tape)
        grads = tape.gradient(loss, params)
        middle = len(tape)
        tape.gradient(sum((g * g).sum() for g in grads.values()), params)
    assert all(isinstance(g, tg.Tensor) for g in grads.values())
    assert all(entry.scope[0] == ("grad", 1) for entry in tape[forward:middle])
    assert any(entry.scope == (("grad", 1), ("t", 2), ("gate", "f")) for entry in tape[forward:middle])
    assert ("grad", 2) in {label for entry in tape[middle:] for label in entry.scope}


def test_a_walk_sends_what_it_is_given_in_the_place_of_the_rules():
    """It stops where a product is left out, and adds up cotangents of any class with a sum."""
    x, w = tg.Tensor(np.full(2, 3.0)), tg.Tensor(np.full(2, 5.0))
    with tg.Tape() as tape:
        y = x * w
        z = y * w + x
    lines, seed = tape.lines(), np.ones(2)

    def cut(line, g, needed):
        return [(a, product) for a, product in pull_arrays(line, g, needed) if a is not y]

    pending = {z: seed}
    assert [k for k, _, _ in walk(lines, 2, pending, send=cut)] == [2, 1]  # nothing comes to y
    assert {a: g.tolist() for a, g in pending.items()} == {x: [1, 1], w: [15, 15]}

    class Counted:
        def __init__(self, array, paths):
            self.array, self.paths, self.shape, self.dtype = array, paths, array.shape, array.dtype

        def __add__(self, other):
            return Counted(self.array + other.array, self.paths + other.paths)

    def counting(line, g, needed):
        return [(a, Counted(product, g.paths)) for a, product in pull_arrays(line, g.array, needed)]

    pending = {z: Counted(seed, 1)}
    deque(walk(lines, 2, pending, [x, w], send=counting), maxlen=0)
    assert {a: g.paths for a, g in pending.items()} == {x: 2, w: 2}
    for a in (x, w):
        np.testing.assert_array_equal(pending[a].array, tape.gradient(z, a, seed))


def test_rewind_is_the_backward_pass_step_by_step():
    params, xs, targets = problem("lstm")
    with tg.Tape() as tape:
        loss = nn.mse(nn.unroll(nn.lstm, params, xs)[0], targets)
    totals, numbers = {}, []
    for step in tape.rewind(loss):
        numbers.append(step.index)
        assert step.entry.out is tape[step.index].out
        np.testing.assert_allclose(step.cotangent, tape.gradient(loss, step.entry.out), rtol=1e-12, atol=1e-18)
        for x, contribution in step.products:
            assert contribution.shape == x.shape
            totals[x] = totals.get(x, 0) + contribution
        assert str(step.index) in str(step)
    assert numbers == sorted(numbers, reverse=True)
    assert numbers[0] == len(tape) - 1
    for name, gradient in tape.gradient(loss, params).items():
        np.testing.assert_allclose(totals[params[name]], gradient, rtol=1e-12, atol=1e-16)
    np.testing.assert_allclose(totals[tape.find("x")], tape.gradient(loss, tape.find("x")), rtol=1e-12, atol=1e-16)


def test_rewind_passes_over_what_the_loss_does_not_depend_on_and_writes_into_nothing():
    x = tg.Tensor([1.0, 2.0])
    with tg.Tape() as tape:
        x * 100
        loss = (x + x).sum()
    steps = list(tape.rewind(loss))
    assert [step.index for step in steps] == [2, 1]
    with pytest.raises(ValueError, match="read-only"):
        steps[1].cotangent[0] = 7
    assert type(steps[0].cotangent) is np.ndarray
    with pytest.raises(ValueError, match="not made on this tape"):
        tape.rewind(x)


def test_rewind_through_a_tensor_joined_to_constants():
    x = tg.Tensor([1.0, 2.0])
    with tg.Tape() as tape:
        loss = (np.concatenate([np.ones(2), x, [3.0]]) * np.arange(5)).sum()
        both = np.stack([x, np.ones(2)])
        tg.named("y", (both * both).sum())
    products = [product for step in tape.rewind(loss) for leaf, product in step.products if leaf is x]
    assert [p.tolist() for p in products] == [[2, 3]]
    assert tape.gradient(tape.find("y"), x).tolist() == [2, 4]


def test_a_rewind_that_is_recorded_leaves_the_scope_of_its_reader_alone():
    x = tg.Tensor(0.5)
    with tg.Tape() as tape, tg.scope(t=1):
        y = np.tanh(x) * x
        with tg.scope(here=True):
            for step in tape.rewind(y):
                read = step.cotangent * 2
                assert tape[-1].out is read
                assert tape[-1].scope == (("t", 1), ("here", True))
                if step.entry.op.name == "tanh":
                    break
        x * 1
        assert tape[-1].scope == (("t", 1),)


def test_backward_adds_into_the_leaves_what_gradient_says():
    params, xs, targets = problem("rnn")
    with tg.Tape() as tape:
        hs, _ = nn.unroll(nn.rnn, params, xs)
        first, second = nn.mse(hs, targets), (hs * hs).sum()
        first.backward()
        assert len(tape) == tape_length(tape)
    expected = tape.gradient(first, params)
    for name, p in params.items():
        np.testing.assert_array_equal(p.grad, expected[name])
    assert hs.grad is None
    second.backward(seed=2.0)
    more = tape.gradient(second, params, seed=2.0)
    for name, p in params.items():
        np.testing.assert_allclose(p.grad, expected[name] + more[name], rtol=1e-15)
    with pytest.raises(RuntimeError, match=r"was called for .* before"):
        first.backward()


def tape_length(tape):
    """The entries that are no part of a gradient: backward must have added none."""
    return sum(1 for entry in tape if not entry.scope or entry.scope[0][0] != "grad")


def test_backward_inside_nested_tapes_goes_as_far_as_the_longest_history():
    x = tg.Tensor(2.0)
    with tg.Tape():
        y = x * x
        with tg.Tape():
            z = y * 3
        z.backward()
    assert x.grad == 12


def test_rerun_makes_the_same_calls_on_other_inputs():
    params, xs, targets = problem("lstm")
    with tg.Tape() as tape:
        loss = tg.named("L", nn.mse(nn.unroll(nn.lstm, params, xs)[0], targets))
    other = np.random.default_rng(9).standard_normal(xs.shape)
    again, new = tape.rerun({tape.find("x"): other})
    expected = nn.mse(nn.unroll(nn.lstm, {k: p.data for k, p in params.items()}, other)[0], targets)
    assert new[loss].item() == expected
    assert [(e.op, e.scope, e.out.name) for e in again] == [(e.op, e.scope, e.out.name) for e in tape]
    assert again.find("weight_hh") is params["weight_hh"]
    with tg.Tape() as fresh:
        reference = nn.mse(nn.unroll(nn.lstm, params, other)[0], targets)
    for name, gradient in again.gradient(new[loss], params).items():
        np.testing.assert_array_equal(gradient, fresh.gradient(reference, params)[name])


def test_a_rerun_makes_a_recorded_gradient_anew():
    def program(x):
        with tg.Tape() as inner:
            y = (np.tanh(x) * x[::-1]).max() + (x**3).mean() + np.abs(x).sum() + np.where(x > 0, x * x, 0).sum()
        return inner.gradient(y, x)

    x, other = tg.Tensor([0.5, -0.3]), np.array([-0.9, 1.4])
    with tg.Tape() as tape:
        gradient = program(x)
    _, new = tape.rerun({x: other})
    np.testing.assert_allclose(new[gradient].data, program(tg.Tensor(other)), rtol=1e-15)
    t = np.tanh(other)
    terms = np.array([t[0] * other[1], t[1] * other[0]])
    k = int(terms.argmax())
    by_hand = other**2 * 3 / 2 + np.sign(other) + np.where(other > 0, 2 * other, 0)
    by_hand[k] += (1 - t[k] ** 2) * other[1 - k]
    by_hand[1 - k] += t[k]
    np.testing.assert_allclose(new[gradient].data, by_hand, rtol=1e-14)


def test_rerun_with_a_result_fed_leaves_out_what_made_it():
    x = tg.Tensor(2.0)
    with tg.Tape() as tape:
        y = tg.named("y", x * x)
        z = y * x
    again, new = tape.rerun({y: 10.0})
    assert new[z].item() == 20
    assert len(again) == 1
    assert again.gradient(new[z], x) == 10


def test_find_by_name_and_labels():
    params, xs, _ = problem("gru")
    with tg.Tape() as tape:
        nn.unroll(nn.gru, params, xs)
    assert tape.find("z", t=1).shape == (2, 4)
    assert tape.find("weight_hh") is params["weight_hh"]
    with pytest.raises(LookupError, match=r"3 Tensors fit 'z' .*\nadd labels"):
        tape.find("z")
    with pytest.raises(
        LookupError, match=r"no Tensor 'c' t=1 on this tape, which has the names .*weight_hh.*\nname one"
    ):
        tape.find("c", t=1)


def test_a_short_tape_prints_as_a_table():
    x, W = tg.Tensor(np.ones((2, 3)), name="x"), tg.Tensor(np.ones((4, 3)), name="W")
    with tg.Tape() as tape, tg.scope(t=0):
        with tg.scope(gate="f"):
            f = tg.named("f", tg.sigmoid(x @ W.T))
        (f * np.ones(4) + 0.5)[:, 1:3].sum(axis=0)
    assert str(tape).splitlines() == [
        "#  scope       output    operation  inputs",
        "0  t=0 gate=f  (3, 4)    transpose  W (4, 3)",
        "1  t=0 gate=f  (2, 4)    matmul     x (2, 3), #0 (3, 4)",
        "2  t=0 gate=f  f (2, 4)  sigmoid    #1 (2, 4)",
        "3  t=0         (2, 4)    multiply   f #2 (2, 4), array (4,)",
        "4  t=0         (2, 4)    add        #3 (2, 4), 0.5",
        "5  t=0         (2, 2)    getitem    #4 (2, 4)[:, 1:3]",
        "6  t=0         (2,)      sum        #5 (2, 2), axis=0",
    ]
    assert str(tape[1]) == "array (2, 4) = matmul(x (2, 3), array (3, 4))  in t=0 gate=f"
    assert repr(tape) == "<Tape of 7 entries>"


def test_a_long_tape_prints_its_ends():
    x = tg.Tensor(1.0)
    with tg.Tape() as tape:
        for _ in range(5000):
            x = np.tanh(x)
    lines = str(tape).splitlines()
    assert len(lines) == 42
    assert lines[21] == "... 4,960 more entries ..."
    assert lines[-1].split()[:4] == ["4999", "()", "tanh", "#4998"]
    assert len(tape.table(ends=None).splitlines()) == 5001
    assert len(tape.table(ends=3).splitlines()) == 8


def test_a_list_in_every_way():
    x = tg.Tensor(1.0)
    with tg.Tape() as tape:
        assert bool(tape)
        assert len(tape) == 0
        y = x + 1
        z = y * 2
    assert len(tape) == 2
    assert [entry.out for entry in tape] == [y, z]
    assert tape[-1].op.name == "multiply"
    assert [entry.op.name for entry in tape[:]] == ["add", "multiply"]
    assert tape[0] != tape[0]  # an entry is made when asked for, and compares by identity, not by its arrays
    assert tape.leaves() == [x]


def test_every_open_tape_records_and_a_reopened_one_records_on():
    x = tg.Tensor(2.0)
    with tg.Tape() as outer:
        y = x * x
        with tg.Tape() as inner:
            z = y * y
    assert (len(outer), len(inner)) == (2, 1)
    assert outer.gradient(z, x) == 32
    assert inner.gradient(z, y) == 8
    with outer:
        w = z * x
    assert outer.gradient(w, x) == 80
    x * x
    assert len(outer) == 3


def test_scopes_nest_and_end_whatever_happens():
    x = tg.Tensor(1.0)
    with tg.Tape() as tape:
        try:
            with tg.scope(layer=0), tg.scope(t=3, gate="f"):
                x + 1
                raise ZeroDivisionError
        except ZeroDivisionError:
            x + 2
    assert tape[0].scope == (("layer", 0), ("t", 3), ("gate", "f"))
    assert tape[1].scope == ()
    with pytest.raises(ZeroDivisionError), tg.Tape():
        raise ZeroDivisionError
    assert current() == ((), ())


def test_pickle_and_copies_of_a_tape_share_identity_inside():
    params, xs, targets = problem("gru")
    with tg.Tape() as tape:
        tg.named("L", nn.mse(nn.unroll(nn.gru, params, xs)[0], targets))
    for copied in (pickle.loads(pickle.dumps(tape)), copy.deepcopy(tape)):
        assert str(copied) == str(tape)
        p = copied.find("weight_hh")
        assert p is not params["weight_hh"]
        expected = tape.gradient(tape.find("L"), params["weight_hh"])
        np.testing.assert_array_equal(copied.gradient(copied.find("L"), p), expected)
        copied.find("L").backward()
        np.testing.assert_array_equal(p.grad, expected)
        with copied:
            tg.Tensor(1.0) + 1
        assert len(copied) == len(tape) + 1


@pytest.mark.parametrize(
    "copied", [lambda tape: pickle.loads(pickle.dumps(tape)), copy.deepcopy], ids=["pickle", "deepcopy"]
)
def test_a_tape_of_three_thousand_entries_is_copied_with_its_gradient(copied):
    x = tg.Tensor([0.3, -0.2], name="x")
    with tg.Tape() as tape:
        y = x
        for _ in range(1_500):
            y = np.sin(y) + x
    other = copied(tape)
    assert len(other) == 3_000
    leaf = other.find("x")
    assert sum(a is leaf for entry in other for a in entry.args) == 1_501
    assert all(other[k].args[0] is other[k - 1].out for k in range(1, 3_000))
    slope, value = 1.0, x.data
    for _ in range(1_500):
        slope, value = np.cos(value) * slope + 1, np.sin(value) + x.data
    np.testing.assert_allclose(other.gradient(other[-1].out, leaf, seed=np.ones(2)), slope, rtol=1e-12)


def test_a_shallow_copy_records_on_by_itself():
    x = tg.Tensor(2.0)
    with tg.Tape() as tape:
        y = x * x
    other = copy.copy(tape)
    with other:
        z = y * 3
    assert (len(tape), len(other)) == (1, 2)
    assert other.gradient(z, x) == 12
    del other
    y.backward()
    assert x.grad == 4
    assert len(pickle.loads(pickle.dumps(tg.Tape()))) == 0


def test_threads_do_not_see_each_others_tapes():
    x, lengths, barrier = tg.Tensor(1.0), {}, threading.Barrier(3)

    def work(n):
        with tg.Tape() as tape:
            barrier.wait()
            for _ in range(n):
                x + 1
            barrier.wait()
        lengths[n] = len(tape)

    threads = [threading.Thread(target=work, args=(n,)) for n in (3, 5, 7)]
    with tg.Tape() as mine:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert lengths == {3: 3, 5: 5, 7: 7}
    assert len(mine) == 0


def test_state_carried_out_of_a_block_is_a_plain_value_in_the_next():
    params, xs, _ = problem("rnn", T=4)
    with tg.Tape():
        _, h = nn.unroll(nn.rnn, params, xs[:2])
    with tg.Tape() as tape:
        hs, _ = nn.unroll(nn.rnn, params, xs[2:], h)
        loss = (hs * hs).sum()
    assert any(leaf is h for leaf in tape.leaves())
    with tg.Tape() as fresh:
        hs, _ = nn.unroll(nn.rnn, params, xs[2:], h.data)
        same = (hs * hs).sum()
    for name, gradient in tape.gradient(loss, params).items():
        np.testing.assert_array_equal(gradient, fresh.gradient(same, params)[name])
