"""Trees of parameters: what is taken apart is put together again, of whatever tuples, lists and dicts it is."""

import collections
import re
import types

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import nn
from tinygrad_rnn.core.trees import by_name, flattened, mapped

Pair = collections.namedtuple("Pair", "a b")


class Named(list):
    """A list with a word beside it."""

    word = ""


def named(*items):
    made = Named(items)
    made.word = "kept"
    return made


TREES = {
    "a leaf": 1,
    "nothing": {},
    "nested": {"a": [1, (2, 3)], "b": {"c": {}, "d": [4]}, 5: ()},
    "a named tuple": Pair([1], {"x": 2}),
    "an ordered dict": collections.OrderedDict(b=1, a=[2]),
    "a default dict": collections.defaultdict(list, {"a": 1}),
    "a list of a subclass": named(1, [2]),
    "deep": [[[[[[1]]]]]],
}


@pytest.mark.parametrize("name", TREES)
def test_a_tree_is_built_again_of_other_leaves(name):
    tree = TREES[name]
    leaves, rebuild = flattened(tree)
    again = rebuild([leaf for _, leaf in leaves])
    assert again == tree
    assert type(again) is type(tree)
    assert mapped(lambda leaf: leaf * 10, tree) == rebuild([leaf * 10 for _, leaf in leaves])
    for path, leaf in leaves:
        assert eval(f"tree{path}", {"tree": tree}) == leaf
    assert getattr(again, "word", None) == getattr(tree, "word", None)
    assert getattr(again, "default_factory", None) is getattr(tree, "default_factory", None)
    assert again is not tree or not isinstance(tree, dict | list)


def circles():
    inner = [1.0]
    inner.append(inner)
    yield inner, "[1]", "1"
    outer = {"a": 1.0}
    outer["b"] = (2.0, {"c": outer})
    yield outer, "['b'][1]['c']", "b.1.c"


@pytest.mark.parametrize(("tree", "path", "name"), list(circles()), ids=["a list", "a dict"])
def test_a_tree_that_holds_itself_is_refused_with_the_place(tree, path, name):
    def f(tree, x=1.0):
        return x * (tree[0] if isinstance(tree, list) else tree["a"])

    for refused in (
        lambda: tg.grad(f)(tree),
        lambda: tg.jacobian(f)(tree),
        lambda: tg.compile(f)(tree),
        lambda: tg.compile(f, 1)(tree, 1.0),
        lambda: tg.compile(f, 1)(x=tree),
        lambda: tg.check_grads(f, (tree,)),
        lambda: nn.optim.Adam().init(tree),
    ):
        with pytest.raises(ValueError, match=f"holds itself, at .*{re.escape(path)}\ngive "):
            refused()
    if isinstance(tree, dict):
        with pytest.raises(ValueError, match=f"holds itself, at {name}\ngive "):
            nn.weights.arrays(tree)


def test_a_part_that_a_tree_holds_twice_is_no_circle():
    part = [1.0, (2.0,)]
    assert [path for path, _ in flattened({"a": part, "b": [part]})[0]] == [
        "['a'][0]",
        "['a'][1][0]",
        "['b'][0][0]",
        "['b'][0][1][0]",
    ]
    value, gradient = tg.compile(lambda p: p["a"] * p["b"][0])({"a": 2.0, "b": [3.0]})
    assert (value, gradient) == (6.0, {"a": 3.0, "b": [2.0]})


def test_other_mappings_become_dicts():
    for tree in (types.MappingProxyType({"a": 1}), collections.UserDict(a=1), collections.ChainMap({"a": 1})):
        assert mapped(lambda leaf: leaf + 1, tree) == {"a": 2}


def test_names_are_joined_by_dots():
    assert by_name({"a": [1, (2,)], "b": {"c": 3}, "d.e": 4}) == {
        "a.0": 1,
        "a.1.0": 2,
        "b.c": 3,
        "d.e": 4,
    }
    for tree, name in (({"a": {"b": 1}, "a.b": 2}, "a.b"), ({"a": [1], "a.0": 1}, "a.0")):
        with pytest.raises(ValueError, match=f"two parameters have the name '{name}'\nnames are joined by dots"):
            by_name(tree)
    with pytest.raises(ValueError, match="the name 5 is of type int\nparameters are named by strings"):
        by_name({"a": {5: 1}})


@pytest.mark.parametrize("tree", [{5: 6}, {"a": {5: 6}}, {"a": [{None: 1}]}], ids=["outer", "inner", "None"])
def test_a_name_is_a_string(tree):
    with pytest.raises(ValueError, match=r"the name (5 is of type int|None is of type NoneType)\nparameters are named"):
        by_name(tree)


@pytest.mark.parametrize("hooked", [False, True])
def test_the_gradient_of_a_tape_is_built_like_what_it_is_by(hooked):
    x, y, z = (tg.Tensor(np.arange(2.0) + k, name) for k, name in enumerate("xyz"))
    with tg.Tape() as tape:
        product = x * y * z
        loss = product.sum()
    if hooked:
        tape.hook(lambda entry, g: None, "x")
    found = tape.gradient(loss, {"all": [x, (y, {"z": z})], "made": Pair(product, x), "none": ()})
    by_hand = {"x": y.data * z.data, "y": x.data * z.data, "z": x.data * y.data}
    assert type(found["made"]) is Pair
    assert type(found["all"][1]) is tuple
    of_x, (of_y, rest) = found["all"]
    for g, name in ((of_x, "x"), (of_y, "y"), (rest["z"], "z"), (found["made"].b, "x")):
        np.testing.assert_allclose(g, by_hand[name])
    np.testing.assert_allclose(found["made"].a, np.ones(2))
    assert found["none"] == ()
    if hooked:
        tape.hook(lambda entry, g: 3 * g, "y")
        np.testing.assert_allclose(tape.gradient(loss, [(x, [y])])[0][1][0], 3 * by_hand["y"])
    for wrt, words in (
        ({"a": [x, None]}, r"wrt\['a'\]\[1\] is a NoneType"),
        (None, "wrt is a NoneType"),
        ([[1.0]], r"wrt\[0\]\[0\] is a float"),
    ):
        with pytest.raises(TypeError, match=words + ", not a Tensor\ngive a Tensor, or a tuple, list or dict of them"):
            tape.gradient(loss, wrt)
