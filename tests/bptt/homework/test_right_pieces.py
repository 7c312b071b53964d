"""Right code in as many styles as people write it in: `examine` finds its gradients, and calls none wrong."""

import pytest
from people import PIECES, assert_said_in_chinese, examined

FIVE = "W U b V c"
SCALED = {
    "wildml.truncated": "this is BPTT truncated to windows of 4",
    "min_char.forward_backward": "clipped to [-1, 1]",
    "cs231n.captioning_in_float32": "float32",
    "from_scratch.TimeRNN": "float32",
    "from_scratch.SimpleRnnlm": "float32",
    "networks.trains_at_its_own_rate": "parameters move by 0.1 times the gradient",
    "number_kinds.float32": "float32",
    "number_kinds.float32_inside": "float32",
    "number_kinds.mean_over_time": "gradients are a mean over T",
    "number_kinds.mean_over_the_batch": "gradients are a mean over the batch",
    "number_kinds.mean_over_both": "gradients are a mean over T and the batch",
    "number_kinds.clipped_by_norm": "scaled down to a norm of 0.5 at most",
    "number_kinds.clipped_entries": "clipped to [-0.25, 0.25]",
    "number_kinds.mean_and_clipped": "gradients are a mean over the batch; gradients are clipped to [-0.25, 0.25]",
    "wildml.RNNNumpy": "gradients are a sum over T, the loss is a mean",
}
"""What is no mistake, and must be said."""

GRADIENTS = {
    **dict.fromkeys([piece for piece in PIECES if piece.startswith("functions.")], FIVE),
    **dict.fromkeys([piece for piece in PIECES if piece.startswith("number_kinds.")], "Wx Wh b"),
    **dict.fromkeys([piece for piece in PIECES if piece.startswith("habits.")], "W U b"),
    **dict.fromkeys([f"number_kinds.{name}" for name in ("columns", "matrices")], "W U b"),
    "number_kinds.floats": "W U",
    "min_char.lossFun": "Wxh Whh Why bh by",
    "min_char.forward_backward": "W_f b_f W_i b_i W_C b_C W_o b_o W_v b_v",
    "min_char.gru_loss": "Wz Wr Wh Wy",
    "wildml.RNNNumpy": "U V W",
    "wildml.OneSentence": "U V W",
    "wildml.GRUNumpy": "Wz Uz bz Wr Ur br Wh Uh bh",
    "coursera.rnn_cell": "xt a_prev Wax Waa ba",
    "coursera.rnn": "x a0 Wax Waa ba",
    "coursera.lstm_cell": "xt a_prev c_prev Wf bf Wi bi Wc bc Wo bo",
    "coursera.lstm": "x a0 Wf bf Wi bi Wc bc Wo bo",
    "coursera.dino": "Wax Waa Wya b by",
    "coursera.dino_optimize": "Wax Waa Wya b by",
    "cs231n.rnn_step": "x prev_h Wx Wh b",
    "cs231n.rnn": "x h0 Wx Wh b",
    "cs231n.lstm_step": "x prev_h prev_c Wx Wh b",
    "cs231n.lstm": "x h0 Wx Wh b",
    "cs231n.captioning": "W_vocab b_vocab Wx Wh b W_embed W_proj b_proj",
    "cs231n.captioning_in_float32": "W_vocab b_vocab Wx Wh b W_embed W_proj b_proj",
    "from_scratch.RNN": "x h_prev Wx Wh b",
    "from_scratch.TimeRNN": "xs Wx Wh b",
    "from_scratch.SimpleRnnlm": " ".join(f"params[{k}]" for k in range(6)),
    "networks.GRU": "Wz Wr Wh bz br bh Wy by",
    "networks.many_to_one": FIVE,
    "networks.trains": "W U b",
    "networks.trains_at_its_own_rate": "W U b",
    "networks.nested": "i2h.W i2h.b h2h.W h2h.b h2o.W h2o.b",
    "networks.slots": "Wx Wh Wo",
    "networks.static": "W U b h0",
    "functions.list": "W_xh W_hh b_h W_hq b_q",
    "functions.closure": "W U",
    "wildml.truncated": "U V W",
    "functions.second_call": " ".join(f"params[{k}]" for k in range(5)),
    "functions.three_steps": "W U",
    "number_kinds.features_first": "W U b x h0",
    "habits.adagrad": "W U",
    "habits.decayed": "rnn.kernel recurrent_kernel rnn.bias dense.kernel dense.bias",
    "habits.packed": "theta",
    "habits.peephole": "W b p_i p_f p_o",
    "habits.same_state_twice": "x h0 c0 W b",
    "habits.stateful": "W U",
    "habits.tied": "E U",
    "deeper.two_layers": "W1 U1 b1 W2 U2 b2",
    "deeper.bidirectional": "Wf Uf Wb Ub V",
    "deeper.seq2seq": "E We Ue Wd Ud V",
    "deeper.layer_norm": "W U gain",
    "deeper.sentiment": "E W U v",
}
OTHERS = {"habits.adagrad_hidden"}
RIGHT = sorted({*PIECES} - OTHERS)
SLOW = {*RIGHT[1::2], "number_kinds.clipped_by_norm"}


@pytest.mark.filterwarnings("ignore:the matrix subclass:PendingDeprecationWarning")
@pytest.mark.parametrize(
    "piece",
    [pytest.param(piece, marks=pytest.mark.slow if piece in SLOW else ()) for piece in RIGHT],
)
def test_right_code_is_right(piece):
    found = examined(piece)
    assert found, str(found)
    assert set(found.gradients) == set(GRADIENTS[piece].split())
    said = "; ".join(found.conventions)
    assert SCALED[piece] in said if piece in SCALED else not said, said
    assert not found.doubtful
    assert_said_in_chinese(found)
