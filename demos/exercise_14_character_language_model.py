"""A character-level language model: trained by truncated BPTT on the beginning of a novel, until it writes it.

python demos/exercise_14_character_language_model.py out my_text.txt      (any UTF-8 text)
"""

import sys
from pathlib import Path

import numpy as np

import tinygrad_rnn as tg
from tinygrad_rnn.lm import curve, text
from tinygrad_rnn.lm.language_model import Model
from tinygrad_rnn.nn.optim import Adam, clip_by_norm

TIME_MACHINE = """
The Time Traveller (for so it will be convenient to speak of him) was expounding a recondite matter to us. His grey
eyes shone and twinkled, and his usually pale face was flushed and animated. The fire burned brightly, and the soft
radiance of the incandescent lights in the lilies of silver caught the bubbles that flashed and passed in our glasses.
Our chairs, being his patents, embraced and caressed us rather than submitted to be sat upon, and there was that
luxurious after-dinner atmosphere when thought roams gracefully free of the trammels of precision.
"""  # H. G. Wells, The Time Machine, 1895

source = text.load(sys.argv[2]) if len(sys.argv) > 2 else text.clean(TIME_MACHINE).strip()
rng = np.random.default_rng(14)
model = Model("gru", hidden=48)
params = model.init(rng, np.float64)
adam = Adam(rate=0.01)
moments = adam.init(params)
windows = text.streams(source, batch=4, window=20)  # four streams side by side, cut every 20 characters
perplexities = []
for epoch in range(40):
    state = None
    for window in windows:
        with tg.Tape() as tape:
            loss, state = model.loss(params, window, state)
        gradients, _ = clip_by_norm(tape.gradient(loss, params), 1.0)
        params, moments = adam.step(params, gradients, moments)
        state = state.data  # the value goes on into the next window, the gradient does not
    perplexities.append(model.perplexity(params, windows))
    if epoch % 10 == 9 or epoch == 0:
        print(f"epoch {epoch + 1:2}: perplexity {perplexities[-1]:6.2f}")
print(f"\nit reads 'the time' and writes:\n{model.sample(params, 'the time', length=99, temperature=0)}")
assert perplexities[-1] < 1.5 < 10 < perplexities[0] or len(sys.argv) > 2  # a text of your own may be harder

out = Path(sys.argv[1] if len(sys.argv) > 1 else "out")
out.mkdir(parents=True, exist_ok=True)
picture = curve.svg("A character language model", {"GRU": perplexities})
(out / "exercise_14.svg").write_text(picture, encoding="utf-8", newline="\n")
