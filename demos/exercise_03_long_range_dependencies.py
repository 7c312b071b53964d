"""Long-range dependencies: delta_{t,k} = prod_{tau=k}^{t-1} (diag(f'(z_tau)) U^T) delta_{t,t} explodes or vanishes.

The gradient of the shared weight is a sum of one contribution from each step, dL_t/dU = sum_k delta_{t,k} h_{k-1}^T.
Where the far terms vanish the sum does not: it is dL_t/dh_k that vanishes, not dL_t/dU.
Where the error terms explode, dL_t/dU explodes only if the states h_{k-1} are not small at the same steps.
"""

import sys
from pathlib import Path

import numpy as np

import tinygrad_rnn as tg
from tinygrad_rnn import bptt, nn
from tinygrad_rnn.lm import curve

rng = np.random.default_rng(3)
T, I, H = 40, 3, 6
W, rotation = rng.standard_normal((H, I)), np.linalg.qr(rng.standard_normal((H, H)))[0]
v = rng.standard_normal(H)
xs = 1e-5 * rng.standard_normal((T, I))  # small, so that f' is near 1 and U alone decides

error_terms, contributions = {}, {}
for gamma in (0.7, 1.0, 1.3):
    U = gamma * rotation  # all its singular values are gamma
    p = {"weight_hh": tg.Tensor(U, name="U"), "weight_ih": tg.Tensor(W, name="W")}
    with tg.Tape() as tape:
        hs, h = nn.unroll(nn.rnn, p, xs, np.zeros(H))
        loss = (v * h).sum()  # L_T alone
    delta = bptt.deltas(tape, [loss], name="z")[0]  # delta[k] is delta_{T,k}

    slope, h = 1 - hs.data**2, hs.data
    product = slope[-1] * v  # delta_{T,T}
    for k in reversed(range(T)):
        assert np.allclose(delta[k], product, rtol=1e-12, atol=0)
        product = slope[k - 1] * (U.T @ product)

    terms = bptt.contributions(tape, loss, p["weight_hh"], by="t")
    dU = tape.gradient(loss, p["weight_hh"])
    assert np.allclose(sum(terms.values()), dU, rtol=0, atol=1e-12 * np.abs(dU).max())
    by_gap = np.array([np.linalg.norm(terms[k]) for k in reversed(range(1, T))])  # h_0 = 0: the first step adds nothing
    contributions[f"γ {gamma:g}:"] = by_gap / by_gap[0]
    error_terms[f"γ {gamma:g}:"] = [np.linalg.norm(each) / np.linalg.norm(delta[-1]) for each in delta[::-1]]
    ratio, share = np.linalg.norm(delta[0]) / np.linalg.norm(delta[-1]), bptt.shares(terms)
    print(f"U = {gamma:g} times a rotation: |delta_(T,1)| / |delta_(T,T)| = {ratio:.1e}")
    print(f"  |dL_T/dU| is {np.linalg.norm(dU) / by_gap[0]:.2f} times its last term, ", end="")
    print(f"and the last ten of {T} steps make {sum(share[k] for k in range(T - 10, T)):.1%} of it")
    assert ratio < 1e-5 if gamma < 1 else ratio > 0.99
    assert np.linalg.norm(dU) > by_gap[0]
assert ratio > 1e4  # where U stretches, it explodes


# When does dL_T/dU itself explode? An error term is multiplied by diag(f') U^T at each step. Where U is random with
# entries N(0, gain^2 / H), this multiplies its length by about gain * rms f', the root of the mean of f'^2.


def network(H, U, input_size, T):
    """Run T steps; the loss is the sum of h_T. Return U's gradient, |delta_{T,k}| for k = T ... 1, and rms of f'."""
    p = {"weight_hh": tg.Tensor(U, name="U"), "weight_ih": tg.Tensor(np.random.default_rng(11).standard_normal((H, 2)))}
    with tg.Tape() as tape:
        hs, h = nn.unroll(nn.rnn, p, input_size * np.random.default_rng(12).standard_normal((T, 2)), np.zeros(H))
        loss = h.sum()
    slope, product, lengths, by_hand = 1 - hs.data**2, np.ones(H), [], np.zeros((H, H))
    for k in reversed(range(T)):
        product = slope[k] * product  # delta_{T,k}
        lengths.append(np.linalg.norm(product))
        by_hand += np.outer(product, hs.data[k - 1]) if k else 0
        product = U.T @ product
    dU = tape.gradient(loss, p["weight_hh"])
    assert np.allclose(dU, by_hand, rtol=0, atol=1e-12 * np.abs(dU).max())
    return np.linalg.norm(dU), lengths, np.sqrt((slope**2).mean())


small, large = np.linalg.qr(rng.standard_normal((3, 3)))[0], rng.standard_normal((64, 64)) / 8
networks = {
    "3 units, 1.5 times a rotation, inputs of 1e-5": (3, 1.5 * small, 1.5, 1e-5),
    "3 units, 1.5 times a rotation, inputs of 1": (3, 1.5 * small, 1.5, 1),
    **{f"64 units, random with a gain of {gain:g}": (64, gain * large, gain, 1) for gain in (0.5, 1, 2, 4)},
}
print("\n" + " " * 46 + "|dL_T/dU| after T steps     |delta_(T,k)| grows a step by")
print(f"{'':46}{'10':>8}{'25':>8}{'50':>8}    measured  gain * rms f'")
gains = {}
for name, (H, U, gain, input_size) in networks.items():
    runs = [network(H, U, input_size, T) for T in (10, 25, 50)]
    _, lengths, slopes = runs[-1]
    growth, said = (lengths[-1] / lengths[0]) ** (1 / 49), gain * slopes
    print(f"{name:<46}" + "".join(f"{run[0]:8.0e}" for run in runs) + f"{growth:12.2f}{said:15.2f}")
    if H == 64:
        gains[f"gain {gain:g}:"] = np.array(lengths) / lengths[0]
        assert abs(np.log(growth / said)) < 0.15
    assert runs[-1][0] > 1e8 if gain == 4 else runs[-1][0] < 1e3
print(f"measured: |dL_T/dU| with a gain of 4 after 100 steps: {network(64, 4 * large, 1, 100)[0]:.1e}")

out = Path(sys.argv[1] if len(sys.argv) > 1 else "out")
out.mkdir(parents=True, exist_ok=True)
for name, title, curves in (
    ("error_terms", "|delta_{T,k}| / |delta_{T,T}|, U = γ rotation", error_terms),
    ("contributions", "|delta_{T,k} h_{k-1}^T|, relative to k = T, U = γ rotation", contributions),
    ("gains", "|delta_{T,k}| / |delta_{T,T}|, 64 units, U random", gains),
):
    picture = curve.svg(title, curves, x_label="T - k + 1: steps back from the loss")
    (out / f"exercise_03_{name}.svg").write_text(picture, encoding="utf-8", newline="\n")
