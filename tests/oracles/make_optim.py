"""Writes optim.json: fifty steps of PyTorch's optimisers, float64, down the same bumpy function.

python tests/oracles/make_optim.py        (made with torch 2.13.0)
"""

import json
from pathlib import Path

PATH = Path(__file__).with_name("optim.json")
START = {"w": [1.5, -0.7, 0.2], "b": [[0.9], [-1.8]]}


def slope(np, w):
    """The derivative of w^2 / 2 + cos(3 w), in the functions of NumPy or of PyTorch."""
    return w - 3 * np.sin(3 * w)


def _rules(torch):
    o, schedules = torch.optim, torch.optim.lr_scheduler
    return {
        "sgd": (lambda p: o.SGD(p, 0.1), None),
        "sgd l2": (lambda p: o.SGD(p, 0.1, weight_decay=0.05), None),
        "sgd momentum": (lambda p: o.SGD(p, 0.05, momentum=0.9, weight_decay=0.01), None),
        "sgd nesterov": (lambda p: o.SGD(p, 0.05, momentum=0.9, nesterov=True), None),
        "rmsprop": (lambda p: o.RMSprop(p, 0.02, weight_decay=0.01), None),
        "rmsprop momentum": (lambda p: o.RMSprop(p, 0.02, alpha=0.9, momentum=0.5), None),
        "adam": (lambda p: o.Adam(p, 0.03, weight_decay=0.01), None),
        "adamw": (lambda p: o.AdamW(p, 0.03, weight_decay=0.1), None),
        "adam cosine": (lambda p: o.Adam(p, 0.03), lambda rule: schedules.LambdaLR(rule, _cosine)),
        "sgd clip norm": (lambda p: o.SGD(p, 0.1, momentum=0.5), None),
        "sgd clip value": (lambda p: o.SGD(p, 0.1, momentum=0.5), None),
        "sgd step": (lambda p: o.SGD(p, 0.1), lambda rule: schedules.StepLR(rule, 10, 0.5)),
        "sgd exponential": (lambda p: o.SGD(p, 0.1), lambda rule: schedules.ExponentialLR(rule, 0.9)),
    }


def _cosine(count):
    import math

    return (1 + math.cos(math.pi * min(count, 40) / 40)) / 2


def by_torch():
    """For each rule the parameters after each of fifty steps."""
    import torch

    found = {}
    for name, (make, schedule) in _rules(torch).items():
        params = {k: torch.tensor(v, dtype=torch.float64, requires_grad=True) for k, v in START.items()}
        rule = make(list(params.values()))
        rates = schedule(rule) if schedule else None
        found[name] = []
        for _ in range(50):
            for p in params.values():
                p.grad = slope(torch, p.detach())
            if "clip" in name:
                clip = getattr(torch.nn.utils, "clip_grad_norm_" if "norm" in name else "clip_grad_value_")
                clip(list(params.values()), 1.2)
            rule.step()
            if rates:
                rates.step()
            found[name].append({k: p.detach().tolist() for k, p in params.items()})
    return found


if __name__ == "__main__":
    PATH.write_text(json.dumps(by_torch(), indent=None, separators=(",", ":")) + "\n", encoding="utf-8")
