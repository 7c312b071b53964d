"""Published code, imported as it was published, and run in float64.

Modules are imported without the `__init__` of their package, which may import more than is installed or compile
kernels. So a package needs nothing of what it requires: `pip install --no-deps -r tests/published.txt`.
"""

import importlib
import importlib.util
import sys
import warnings
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from types import ModuleType
from unittest import mock

import torch


@contextmanager
def in_double():
    """Let code that asks for float32 compute in float64, and say nothing."""
    before = torch.get_default_dtype()
    with ExitStack() as stack:
        for name in ("float32", "float"):
            stack.enter_context(mock.patch.object(torch, name, torch.float64))
        stack.enter_context(mock.patch.object(torch.Tensor, "float", torch.Tensor.double))
        stack.enter_context(silence())
        stack.callback(torch.set_default_dtype, before)
        torch.set_default_dtype(torch.float64)
        yield


@contextmanager
def silence():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@cache
def code(name, *absent):
    """Import a module without the `__init__` of the packages that it is in, and without compilers.

    absent: modules that it imports, and that what is run does not need. Raises ImportError where it is not installed.
    """
    root, *parts = name.split(".")
    spec = importlib.util.find_spec(root)
    if spec is None or not spec.submodule_search_locations:
        raise ImportError(f"{root} is not installed")
    stand_ins = dict.fromkeys(absent, mock.MagicMock(__spec__=None))
    for k in range(len(parts)):
        package = ".".join([root, *parts[:k]])
        stand_ins[package] = ModuleType(package)
        stand_ins[package].__path__ = [str(Path(spec.submodule_search_locations[0], *parts[:k]))]
    before = dict(sys.modules)
    sys.modules.update(stand_ins)
    try:
        with silence(), mock.patch("torch.jit.script", as_it_is), mock.patch("torch.compiler.disable", as_it_is):
            return importlib.import_module(name)
    finally:
        for other in [key for key in sys.modules if key in absent or key.split(".")[0] == root]:
            del sys.modules[other]
        sys.modules.update({key: module for key, module in before.items() if key not in sys.modules})


def as_it_is(function):
    return function


def called(module, values, *args, method="forward"):
    """Call a method of a module with values in the place of parameters, each of which it must have in that shape."""
    shapes = {name: p.shape for name, p in module.named_parameters()}
    assert {name: v.shape for name, v in values.items()} == {name: shapes.get(name) for name in values}
    module.forward = getattr(module, method)
    return torch.func.functional_call(module, values, args)
