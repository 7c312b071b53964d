"""Poems of four lines that begin with a given character, learned from a file of poems.

python demos/poems.py poems.txt --minutes 5        (any file in UTF-8; without one, eight small poems and a few seconds)

Nothing forces the form on what is written: the network draws each character, line ends and punctuation too. The program
chooses what it learns from: poems of four lines of five characters, and of seven without the third and the fourth, so
that they are of five. It reads each poem from a state of zeros, and ends a poem that it writes after its fourth line.
"""

import argparse
import re
import time
from pathlib import Path

import numpy as np

import tinygrad_rnn as tg
from tinygrad_rnn.lm.alphabet import Alphabet
from tinygrad_rnn.lm.decoding import read
from tinygrad_rnn.lm.language_model import Model
from tinygrad_rnn.nn.optim import Adam, clip_by_norm

OWN = """
日出山林静，风来竹影斜。小桥流水远，何处是人家。
红叶满山秋，江清一叶舟。夕阳归路晚，人在小桥头。
山高云自来，日落鸟飞回。夜静人声远，月明花半开。
夜雨湿苍苔，春风入户来。灯前人未睡，窗外一花开。
湖上月初明，舟中人不行。水清天色远，何处有歌声。
海阔天无际，舟行日夜风。回头山不见，人在水云中。
月下一人行，风清夜有声。山中无旧路，花落水边明。
春水绿如天，舟行柳岸边。故人何日到，花落又一年。
"""
EPOCHS = 200
"""The minimum number of epochs, so that the small poems are learned on a slow machine as on a fast one."""
LINE = re.compile(r"([\u4e00-\u9fff]{5}|[\u4e00-\u9fff]{7})([，。！？；])")
FORM = re.compile(r"([\u4e00-\u9fff]{5}[，。！？；]\n){4}")


def quatrains(text):
    """Return the poems, which stand apart, in parts of four lines; a line is five characters, a mark and a line end."""
    poems = [LINE.findall(poem) for poem in re.split(r"\n\s*\n", text)]
    five = [[(line if len(line) == 5 else line[:2] + line[4:]) + mark + "\n" for line, mark in poem] for poem in poems]
    return ["".join(lines[k : k + 4]) for lines in five for k in range(0, len(lines) - 3, 4)]


def told(name, params, place):
    """Print what is known of these parameters, and a poem for each first character."""
    held_out, learned = log[place]
    print(f"\n{name}: epoch {place + 1}, perplexity {learned:.2f}, on held-out poems {held_out:.1f}")
    formed, copied, lines = [], 0, {line for poem in poems for line in poem.split("\n")}
    for first in given.begin:
        if first not in alphabet.characters:
            print(f"{first}: not in the poems to learn from")
            continue
        written = [
            model.sample(params, first, 60, given.temperature, seed, before="\n", lines=4)
            for seed in range(given.seeds)
        ]
        print(written[0].replace("\n", ""))
        formed += [FORM.fullmatch(f"{poem}\n") is not None for poem in written]
        copied += sum(line in lines for poem in written for line in poem.split("\n"))
    print(f"in the form: {sum(formed)} of {len(formed)} poems; lines copied: {copied} of {4 * len(formed)}")


options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
options.add_argument("file", nargs="?", help="a text file of poems, an empty line between two of them")
options.add_argument("--minutes", type=float, default=0.0, help="minutes of training (default: 200 epochs)")
options.add_argument("--begin", default="日红山夜湖海月", help="the first characters")
options.add_argument(
    "--noise", type=float, default=0.3, help="share of what is read in training that is another character"
)
options.add_argument("--temperature", type=float, default=0.8)
options.add_argument("--seeds", type=int, default=5, help="number of poems for each first character, to be counted")
options.add_argument("--out", type=Path, default=Path("out"))
given = options.parse_args()

rng = np.random.default_rng(0)
poems = quatrains(read(given.file) if given.file else OWN.replace("\n", "\n\n"))
poems = [poems[k] for k in rng.permutation(len(poems))]  # a file may be ordered by its form
count = max(1, len(poems) // 10)
learned, held_out = poems[count:], poems[:count]
alphabet = Alphabet.of("\n" + "".join(learned))  # of the poems to learn from alone
model = Model("gru", hidden=128, alphabet=alphabet, embedding=64)


def windows_of(some):
    """Return a line end and a poem, side by side: indices (1 + 28, poems)."""
    return np.array([alphabet.indices("\n" + poem, unknown=True) for poem in some]).T


texts, tests = windows_of(learned), windows_of(held_out)
once = np.bincount(texts.ravel(), minlength=alphabet.size)[texts] == 1  # half of them unknown: so that this is learned
unknown = int((tests == alphabet.unknown).sum())
print(f"{len(learned)} poems to learn from, {len(alphabet.characters)} characters; {len(held_out)} held out,")
print(f"in which {unknown} of {tests[1:].size} characters are unknown")

adam, step, params = Adam(rate=0.003), tg.compile(model.cross_entropy, has_aux=True), model.init(rng)
moments, began, epoch, log, best = adam.init(params), time.perf_counter(), 0, [], {}
batch = min(8, len(learned))
while time.perf_counter() - began < 60 * given.minutes or epoch < EPOCHS:
    losses, hidden = [], np.where(once & (rng.random(texts.shape) < 0.5), alphabet.unknown, texts)
    for some in rng.permutation(len(learned))[: len(learned) // batch * batch].reshape(-1, batch):
        window = hidden[:, some]
        noisy = np.where(
            rng.random(window[:-1].shape) < given.noise, rng.integers(0, alphabet.size, window[:-1].shape), window[:-1]
        )
        (loss, _), gradients = step(params, noisy, window[1:], None)
        params, moments = adam.step(params, clip_by_norm(gradients, 1.0)[0], moments)
        losses.append(float(loss))
    log.append((model.perplexity(params, tests[None]), float(np.exp(np.mean(losses)))))
    best = params if log[-1] == min(log) else best
    epoch += 1

assert given.file or log[-1][1] < 3 < 40 < log[0][1]  # perplexity: the small poems are learned

told("the lowest held out", best, log.index(min(log)))
told(f"after {time.perf_counter() - began:.0f} s", params, epoch - 1)
given.out.mkdir(parents=True, exist_ok=True)
poem = model.sample(params, given.begin[0], 60, given.temperature, before="\n", lines=4)
picture = model.saliency(params, poem, before="\n").svg()
(given.out / "poem.svg").write_text(picture, encoding="utf-8", newline="\n")
