"""tinygrad_rnn: see and check backpropagation through time.

    import tinygrad_rnn as tg
    from tinygrad_rnn import bptt, draw, nn

- `Tensor(values, name)`: what is differentiated or fed; NumPy's functions and operators work on it.
- `with Tape() as tape:` records; `tape.gradient(loss, wrt)` and `tape.rewind(loss)` walk back; `tape.replay(feed)`.
- `scope(t=3)`, `named("z", value)`: labels and names for tables, drawings and `tape.find`.
- `grad`, `value_and_grad`, `vjp`, `jvp`, `jacobian`, `hessian`, `hvp`: functions of functions, nested to any order.
- `compile(f)`: `value_and_grad(f)`, recorded once and replayed as fast as NumPy written by an expert.
- `check_grads(f, args)`: are the derivatives of f right, of first and second order, backward and forward?
- `sigmoid`, `relu`, `softplus`, `elu`, `gelu_tanh`, `softmax`, `log_softmax`, `logsumexp`: what NumPy lacks;
  `set_at`, `add_at`: in the place of assignment; `stop_gradient`. `primitive(...)` adds an operation.
- `nn`: cells, `unroll`, losses, initial parameters. `bptt`: derivations by hand, the comparison, how a gradient flows.
  `draw`: the graph.
"""

from tinygrad_rnn.engine.check_grads import check_grads
from tinygrad_rnn.engine.primitives.activations import (
    elu,
    gelu_tanh,
    log_softmax,
    relu,
    sigmoid,
    softmax,
    softplus,
)
from tinygrad_rnn.engine.primitives.comparisons import stop_gradient
from tinygrad_rnn.engine.primitives.indexing import add_at, set_at
from tinygrad_rnn.engine.primitives.reductions import logsumexp
from tinygrad_rnn.engine.recording import Entry, scope
from tinygrad_rnn.engine.tape import Tape
from tinygrad_rnn.engine.tensor import Tensor, named, primitive
from tinygrad_rnn.engine.transforms import grad, hessian, hvp, jacobian, jvp, value_and_grad, vjp
from tinygrad_rnn.engine.walk import Step
from tinygrad_rnn.replay.compiled import compile

__version__ = "0.1.0"

__all__ = [
    "Entry",
    "Step",
    "Tape",
    "Tensor",
    "add_at",
    "check_grads",
    "compile",
    "elu",
    "gelu_tanh",
    "grad",
    "hessian",
    "hvp",
    "jacobian",
    "jvp",
    "log_softmax",
    "logsumexp",
    "named",
    "primitive",
    "relu",
    "scope",
    "set_at",
    "sigmoid",
    "softmax",
    "softplus",
    "stop_gradient",
    "value_and_grad",
    "vjp",
]
