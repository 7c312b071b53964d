"""ONNX's own tests of the nodes RNN, LSTM and GRU: `nn.onnx_node` gives the outputs that the specification holds."""

from collections import Counter

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import nn

pytestmark = pytest.mark.needs_onnx


def node_tests():
    pytest.importorskip("onnx", reason="ONNX is not installed")
    state = np.random.get_state()
    from onnx.backend.test.case.node import _NodeTestCases, gru, lstm, rnn  # noqa: F401 - they fill the list

    np.random.set_state(state)  # the import draws its inputs from NumPy's global generator
    return [case for case in _NodeTestCases if case.model.graph.node[0].op_type in ("RNN", "LSTM", "GRU")]


def attributes_of(node):
    from onnx.helper import get_attribute_value

    found = {a.name: get_attribute_value(a) for a in node.attribute}
    return {name: v.decode() if isinstance(v, bytes) else v for name, v in found.items()}


def require_node(case, inputs, outputs, as_tensors):
    """Require the outputs of the node that a case holds, and return its type."""
    (node,), attributes = case.model.graph.node, attributes_of(case.model.graph.node[0])
    hidden_size = attributes.pop("hidden_size")
    given = dict(zip([name for name in node.input if name], inputs, strict=True))
    assert given["R"].shape[-1] == hidden_size
    floats = {k: tg.Tensor(v, name=k) if as_tensors and v.dtype.kind == "f" else v for k, v in given.items()}
    with tg.Tape():
        found = nn.onnx_node(node.op_type, **floats, **attributes)
    wanted = [k for k, name in enumerate(node.output) if name]
    assert len(wanted) == len(outputs)
    for k, expected in zip(wanted, outputs, strict=True):
        value = found[k].data if as_tensors else found[k]
        assert (value.shape, value.dtype) == (expected.shape, np.float32), case.name
        np.testing.assert_allclose(value, expected, rtol=1e-5, atol=1e-6, err_msg=case.name)
    return node.op_type


@pytest.mark.parametrize("as_tensors", [False, True], ids=["arrays", "tensors"])
def test_every_node(as_tensors):
    ran = [require_node(case, *data, as_tensors) for case in node_tests() for data in case.data_sets]
    assert Counter(ran) == {"RNN": 6, "LSTM": 6, "GRU": 6}


def test_every_node_with_drawn_inputs():
    """The inputs of ONNX's tests are nearly all of equal numbers; here its own evaluator runs them on drawn ones."""
    reference = pytest.importorskip("onnx.reference", reason="this ONNX has no evaluator")
    rng, ran = np.random.default_rng(0), []
    for case in node_tests():
        inputs = [
            rng.uniform(-1, 1, x.shape).astype(x.dtype) if x.dtype.kind == "f" else x for x in case.data_sets[0][0]
        ]
        feed = dict(zip([name for name in case.model.graph.node[0].input if name], inputs, strict=True))
        outputs = reference.ReferenceEvaluator(case.model).run(None, feed)
        ran.append(require_node(case, inputs, outputs, as_tensors=False))
    assert Counter(ran) == {"RNN": 6, "LSTM": 6, "GRU": 6}
