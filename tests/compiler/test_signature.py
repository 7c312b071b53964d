"""The arguments of a compiled function: the answer is that of `value_and_grad`, or a clear refusal."""

import array
import collections
import dataclasses
import enum
import functools
import threading
import types

import numpy as np
import pytest
from agreement import require_agreement

import tinygrad_rnn as tg
from tinygrad_rnn import nn

W = np.array([1.0, -2.0, 3.0])


def agree(f, *calls, argnums=0, has_aux=False):
    """Call f compiled and eagerly, in turn; a call may be a function that changes something and gives arguments."""
    fast, eager = tg.compile(f, argnums, has_aux), tg.value_and_grad(f, argnums, has_aux)
    for call in (*calls, *calls):
        args = call() if callable(call) else call
        require_agreement(fast(*args), eager(*args))


def refused(f, *args, kind=TypeError, **kwargs):
    """Return the first line of what a compiled f says of these arguments."""
    with pytest.raises(kind) as error:
        tg.compile(f, **kwargs)(*args)
    wrong, _ = str(error.value).split("\n")
    return wrong


def product(w, x):
    return (w * x).sum()


# ---------------------------------------------------------------------------------------------- changed in place


@dataclasses.dataclass
class Batch:
    y: object
    more: tuple = ()


@dataclasses.dataclass(frozen=True)
class Settings:
    scale: float


class Bag:
    __slots__ = ("scale",)

    def scaled(self, w):
        return w * self.scale


class Model:
    def __init__(self):
        self.scale = 1.0


class Kind(enum.Enum):
    ONE = 1.0
    TWO = 2.0


def bag(scale):
    made = Bag()
    made.scale = scale
    return made


def set_item(p, k):
    p[0] = k


CHANGES = {
    "a list": ([1.0], set_item, lambda p: p[0]),
    "a list in a tuple": (([1.0],), lambda p, k: set_item(p[0], k), lambda p: p[0][0]),
    "a dict": ({0: 1.0}, set_item, lambda p: p[0]),
    "a deque": (collections.deque([1.0]), set_item, lambda p: p[0]),
    "an array of the library": (array.array("d", [1.0]), set_item, lambda p: p[0]),
    "a byte array": (bytearray([1]), lambda p, k: set_item(p, int(k)), lambda p: p[0]),
    "a set": ({1}, lambda p, k: p.add(k), len),
    "a dataclass": (Batch(1.0), lambda p, k: setattr(p, "y", k), lambda p: p.y),
    "a dataclass of an array": (Batch(W), lambda p, k: setattr(p, "y", W + k), lambda p: p.y),
    "an array in a dataclass, in place": (Batch(W.copy()), lambda p, k: p.y.fill(k), lambda p: p.y),
    "a list in a dataclass": (Batch([1.0]), lambda p, k: set_item(p.y, k), lambda p: p.y[0]),
    "a dict in a list in a dataclass": (Batch([{0: 1.0}]), lambda p, k: set_item(p.y[0], k), lambda p: p.y[0][0]),
    "an object": (Model(), lambda p, k: setattr(p, "scale", k), lambda p: p.scale),
    "an object in an object": (Batch(Batch(Model())), lambda p, k: setattr(p.y.y, "scale", k), lambda p: p.y.y.scale),
    "an object with slots": (bag(1.0), lambda p, k: setattr(p, "scale", k), lambda p: p.scale),
    "a namespace": (types.SimpleNamespace(k=1.0), lambda p, k: setattr(p, "k", k), lambda p: p.k),
    "the method of an object": (bag(1.0).scaled, lambda p, k: setattr(p.__self__, "scale", k), lambda p: p(1.0)),
    "a default dict": (
        collections.defaultdict(lambda: 1.0),
        lambda p, k: setattr(p, "default_factory", lambda: k),
        lambda p: p["any"],
    ),
    "a counter": (collections.Counter("ab"), lambda p, k: p.update({"a": k}), lambda p: p["a"] + p["none"]),
    "a user's dict": (collections.UserDict({0: 1.0}), set_item, lambda p: p[0]),
    "the values of a dict": ({0: 1.0}, set_item, lambda p: p[0]),
    "a view of memory": (memoryview(np.ones(1)), set_item, lambda p: p[0]),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_an_argument_holds_is_read_at_each_call(name):
    given, change, read = CHANGES[name]
    seen = given.values() if name == "the values of a dict" else given
    read = (lambda p: next(iter(p))) if name == "the values of a dict" else read
    fast, eager = tg.compile(lambda w, p: (w * read(p)).sum()), tg.value_and_grad(lambda w, p: (w * read(p)).sum())
    for k in (1.0, 5.0, 7.0, 1.0):
        change(given, k)
        require_agreement(fast(W, seen), eager(W, seen))


def test_an_object_that_holds_itself():
    ring = types.SimpleNamespace(k=1.0)
    ring.me = [ring]
    fast = tg.compile(lambda w, p: (w * p.me[0].k).sum())
    assert fast(W, ring)[0] == 2
    ring.k = 2.0
    assert fast(W, ring)[0] == 4


def test_equal_values_of_other_types_are_other_values():
    def f(w, p):
        p = p.scale if isinstance(p, Settings) else next(iter(p))
        return (w * p).sum() + float(np.copysign(1.0, p)) * {bool: 10.0, int: 20.0, float: 30.0}[type(p)]

    agree(f, *((W, Settings(s)) for s in (0.0, -0.0, 1.0, 1, True)))
    agree(f, *((W, frozenset([s])) for s in (0.0, -0.0, 1.0, 1, True)))
    agree(lambda w, p: (w * sum(p)).sum(), *((W, {s: "static"}) for s in (1, 1.5, True)))


def test_functions_are_told_apart_by_their_code_and_what_it_closes_over():
    calls = []

    def f(w, g):
        calls.append(1)
        return g(w).sum()

    def times(k):
        return lambda x: x * k

    agree(f, *((W, times(k)) for k in (1.0, 2.0)), (W, lambda x: x * 2 + 1), (W, np.tanh), (W, nn.init.rnn and np.sin))
    agree(f, *((W, functools.partial(np.multiply, k)) for k in (1.0, 2.0)))
    held = [1.0]
    agree(f, *((lambda k=k: (held.__setitem__(0, k), (W, lambda x: x * held[0]))[1]) for k in (1.0, 2.0)))
    calls.clear()
    fast = tg.compile(f)
    for k in range(5):
        fast(W + k, times(2.0))
    assert len(calls) == 2


def test_what_is_not_changed_makes_one_program():
    calls = []

    def f(w, *args):
        calls.append(1)
        return np.sum(w * 2)

    fast, lock = tg.compile(f), threading.Lock()
    for k in range(4):
        fast(W + k, Settings(1.0), Kind.ONE, slice(0, 2), range(3), np.float32, lock, nn.LSTM(3, 4), Batch(W.copy()))
    assert len(calls) == 2
    fast(W, Settings(1.0), Kind.TWO, slice(0, 2), range(3), np.float32, lock, nn.LSTM(3, 4), Batch(W.copy()))
    assert len(calls) == 4


def test_what_gives_its_values_only_once():
    for given in (iter([1.0, 2.0]), (x for x in (1.0, 2.0)), zip([1.0], [2.0], strict=True)):
        assert "which gives its values only once" in refused(lambda w, p: (w * next(p)).sum(), W, given)


# ---------------------------------------------------------------------------------------------- arrays of all kinds

FLOATS = [np.float16, np.float32, np.float64, np.longdouble]


@pytest.mark.parametrize("dtype", [*FLOATS, np.int8, np.uint8, np.int64, np.bool_], ids=lambda t: np.dtype(t).name)
def test_dtypes(dtype):
    ones, some = np.ones(3, dtype), np.array([1, 0, 1]).astype(dtype)
    for w in (W, W.astype(np.float32)):
        agree(product, (w, some), (w, ones), (w, ones[0]), (w, np.array(1, dtype)), (w, some))
    if dtype in FLOATS:
        agree(product, (some, W), (some, W.astype(np.float32)), (some, some), (ones[0], W))


@pytest.mark.parametrize("dtype", [">f2", ">f4", ">f8", ">i4", ">u2"])
def test_byte_orders(dtype):
    given = np.array([1, 0, 1]).astype(dtype)
    agree(product, (W, given), (W.astype(np.float32), given), (W, given.astype(np.dtype(dtype).newbyteorder("="))))
    if given.dtype.kind == "f":
        agree(product, (given, W))
        agree(product, ({"a": given, "b": W}["a"], given))
        for found in (tg.compile(product)(given, W)[1], tg.value_and_grad(product)(given, W)[1]):
            assert found.dtype == given.dtype.newbyteorder("=")


def test_a_network_with_weights_of_another_byte_order():
    rng = np.random.default_rng(0)
    x, p = rng.standard_normal((5, 2, 3)), {k: v.data for k, v in nn.init.lstm(rng, 3, 4).items()}
    big = {k: v.astype(">f8") for k, v in p.items()}

    def f(p, x):
        hs, _ = nn.unroll(nn.lstm, p, x)
        return np.mean(hs * hs)

    agree(f, (p, x), (big, x), (p, x.astype(">f8")), (big, x.astype(">f8")))
    require_agreement(tg.compile(f)(big, x.astype(">f8")), tg.value_and_grad(f)(p, x))


def test_layouts_and_read_only_arrays():
    rng = np.random.default_rng(0)
    a, x = rng.standard_normal((4, 3)), rng.standard_normal((6, 4))
    a.setflags(write=False)

    def f(a, x):
        return np.sum(np.tanh(x @ a))

    agree(f, (a, x), (np.asfortranarray(a), np.asfortranarray(x)), (a[::-1], x[::2]), (a[:, ::-1], x[:, ::-1]))
    agree(f, (np.broadcast_to(a[:1], (4, 3)), np.broadcast_to(x[:, :1], (6, 4))), argnums=(0, 1))


def test_complex_numbers_objects_and_words_are_refused():
    for given in (W + 1j, np.complex64(1), np.array([1.0, None]), np.array(["a"]), np.array("2020", "datetime64")):
        assert "of dtype" in refused(product, W, given)
        assert "of dtype" in refused(product, given, W)
    agree(lambda w, k: w.sum() if k == "a" else (w * w).sum(), (W, np.str_("a")), (W, np.str_("b")))


class Own(np.ndarray):
    """An array whose product is something else."""

    def __mul__(self, other):
        return np.asarray(self) + other


def test_arrays_of_subclasses():
    for given in (W.view(Own), W.view(np.recarray)):
        assert f"is a {type(given).__name__}, of a subclass of ndarray" in refused(product, W, given)
        assert "subclass" in refused(lambda w, p: (w * p["a"][0]).sum(), W, {"a": [given]})
    agree(product, (W.view(Own), W))  # what is differentiated is a Tensor in both
    masked = np.ma.masked_array(W, [0, 1, 0])
    for args in ((W, masked), (masked, W), ([W, masked], 1.0), (W, {"a": masked}), (W, Batch(masked))):
        assert "a masked array" in refused(lambda w, x: product(w, getattr(x, "y", x)), *args)
    with pytest.raises(TypeError, match="a masked array"):
        tg.grad(product)(masked, W)


def test_arrays_on_disk(tmp_path):
    on_disk = np.memmap(tmp_path / "w", np.float64, "w+", shape=3)
    for k in (1.0, 2.0):
        on_disk[:] = W * k
        agree(product, (W, on_disk), (on_disk, W))


def test_one_array_in_several_places():
    agree(lambda a, b: (a * b * b).sum(), (W, W), (W, W + 1), argnums=(0, 1))
    agree(lambda p: (p[0] * p[1] * p[1]).sum(), ([W, W],), ([W, W + 1],))
    t = tg.Tensor(W, "w")
    agree(lambda a, b: (a * b * b).sum(), (t, t), (t, W), (W, t), argnums=(1, 0))


def test_trees_of_other_classes():
    Pair = collections.namedtuple("Pair", "a b")
    for tree in (collections.OrderedDict(a=W, b=W + 1), types.MappingProxyType({"a": W, "b": W + 1})):
        agree(lambda p: (p["a"] * p["b"]).sum(), (tree,))
        agree(lambda w, p: (w * p["a"] * p["b"]).sum(), (W, tree), (W, dict(tree)))
    agree(lambda w, p: (w * p.a * p.b).sum(), (W, Pair(W, 2.0)), (W, Pair(W, 3.0)))

    class Named(list):
        scale = 1.0

    def named(scale):
        made = Named([W])
        made.scale = scale
        return made

    agree(lambda w, p: (w * p[0] * p.scale).sum(), (W, named(2.0)), (W, named(3.0)))


# ---------------------------------------------------------------------------------------------- argnums


@pytest.mark.parametrize("argnums", [np.int64(1), (np.int64(1), 0), [-1], range(2), True], ids=str)
def test_numbers_of_arguments(argnums):
    agree(product, (W, W + 1), (W + 1, 2 * W), argnums=argnums)


def test_numbers_of_arguments_that_are_none():
    for argnums in (1.0, "1", None, (0, 1.0)):
        assert "argnums=" in refused(product, W, W, argnums=argnums)
        with pytest.raises(TypeError, match="argnums="):
            tg.value_and_grad(product, argnums)(W, W)
    for argnums in ((), [], range(0), np.array([], int)):
        for transform in (tg.grad, tg.value_and_grad, tg.compile, tg.jacobian, tg.hessian):
            with pytest.raises(ValueError, match=r": argnums=\(\) names no argument\nargnums is the number"):
                transform(product, argnums)(W, W)
        with pytest.raises(ValueError, match=r"^vjp: argnums=\(\) names no argument\n"):
            tg.vjp(product, W, W, argnums=argnums)
    for argnums in ((), (0,), None, "x"):
        with pytest.raises(TypeError, match=r"^hvp: argnums="):
            tg.hvp(product, (W, W), W, argnums)
    for argnums in (2, -3):
        with pytest.raises(ValueError, match=f"argnums={argnums}, and the function was called with 2 positional"):
            tg.hvp(product, (W, W), W, argnums)
    np.testing.assert_array_equal(tg.hvp(product, (W, W), W, -1), tg.hvp(product, (W, W), W, 1))
    chosen = [0]
    fast = tg.compile(product, chosen)
    chosen.append(1)
    assert len(fast(W, W)[1]) == 1


# ---------------------------------------------------------------------------------------------- what is returned


def test_what_is_returned_beside_the_loss():
    def f(w, x):
        h = np.tanh(w * x)
        return h.sum(), {
            "h": h,
            "again": (h, [h]),
            "x": x,
            "n": (3, 2.5, "a", None, True, np.float32(2)),
            "c": np.arange(3),
        }

    agree(f, (W, W), (W + 1, 2 * W), has_aux=True)
    agree(lambda w: (w, (w, w)), (np.array(2.0),), (0.5,), has_aux=True)


@pytest.mark.parametrize(
    "constant", [{1, 2}, Settings(1.0), collections.deque([1]), np.ones(2), bytearray(b"a")], ids=str
)
def test_constants_beside_the_loss_are_nobody_elses(constant):
    fast = tg.compile(lambda w: (w.sum(), {"c": constant}), has_aux=True)
    first, second = (fast(W)[0][1]["c"] for _ in range(2))
    assert type(first) is type(constant)
    assert first is not constant
    assert first is not second
    assert np.array_equal(first, constant) if isinstance(constant, np.ndarray) else first == constant


HIDING = {
    "a namespace": lambda h: types.SimpleNamespace(h=h),
    "a dataclass": lambda h: Batch([h]),
    "a set": lambda h: {h},
    "a deque": lambda h: collections.deque([h]),
    "a function": lambda h: lambda: h,
    "a generator": lambda h: (x for x in [h]),
    "the values of a dict": lambda h: {"h": h}.values(),
    "a partial function": lambda h: functools.partial(np.add, h),
}


@pytest.mark.parametrize("name", HIDING)
def test_values_of_the_tape_do_not_hide_beside_the_loss(name):
    wrong = refused(lambda w: (w.sum(), {"a": [HIDING[name](w * 2)]}), W, has_aux=True)
    assert "beside the loss, at [1]['a'][0], which may hold values" in wrong


def test_what_is_returned_beside_the_loss_changes_from_run_to_run():
    rng = np.random.default_rng(0)
    for draw in (rng.standard_normal, lambda: rng.standard_normal(3), lambda: tg.Tensor(rng.standard_normal(3))):
        wrong = refused(lambda w: (w.sum(), {"seen": draw()}), W, kind=ValueError, has_aux=True)  # noqa: B023
        assert "two runs of the function differ in what they return beside the loss, at [1]['seen']" in wrong
    turns = iter(range(100))
    wrong = refused(lambda w: (w.sum(), [w * 2, w * 3][next(turns) % 2]), W, kind=ValueError, has_aux=True)
    assert "beside the loss" in wrong
    wrong = refused(lambda w: (w.sum(), [1] * next(turns)), W, kind=ValueError, has_aux=True)
    assert "beside the loss" in wrong


def test_constant_tensors_and_what_is_read_change_from_run_to_run():
    rng, turns = np.random.default_rng(0), iter(range(100))
    noise = refused(lambda w: (w * tg.Tensor(rng.standard_normal(3))).sum(), W, kind=ValueError)
    assert "call 0, multiply, has another constant (an array (3,))" in noise
    other = refused(lambda w: ([w * 2, w * 3][next(turns) % 2] * w).sum(), W, kind=ValueError)
    assert "call 2, multiply, reads another value" in other
    leaf = refused(lambda w: (w * (w if next(turns) % 2 else tg.Tensor(W))).sum(), W, kind=ValueError)
    assert "reads another value" in leaf
    agree(lambda w: (w * tg.Tensor(np.arange(3.0))).sum(), (W,), (W + 1,))
