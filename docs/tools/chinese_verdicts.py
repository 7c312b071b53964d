"""The verdicts of `demos/what_people_say.py` in Chinese, each beside the English words with a name for each number.

`make_what_people_say.py` fails where the English words are not those of the demo.
"""

CHINESE = {
    "one_walk": (
        "True. Over 6 steps, the sum of the 21 error terms and the one walk differ by less than 1e-14.",
        "对。6 个时刻的 21 个误差项之和，与只走一遍所得的结果相差不到 1e-14。",
    ),
    "the_parameter_gradient": (
        "False: dL_T/dh_k vanishes, {state} over 99 steps. dL_T/dU is a sum over the steps: its first term is {far}, "
        "its last one {near}, and the sum {gradient}.",
        "错：消失的是 dL_T/dh_k，隔 99 个时刻只剩 {state}。dL_T/dU 是对各时刻求和：第一项是 {far}，最后一项是 {near}，"
        "总和是 {gradient}。",
    ),
    "eigenvalue_below_one": (
        "In the end, not before. The eigenvalues are 0.8, the norm of U is {norm}; "
        "log10 |dh_t/dh_k| by the gap is {log10}.",
        "最终会，此前不会。特征值都是 0.8，U 的范数是 {norm}；log10 |dh_t/dh_k| 随间隔（括号内）的变化：{log10}。",
    ),
    "eigenvalue_above_one": (
        "It depends on tanh'. log10 |dh_40/dh_0| by the size of the inputs is {log10}.",
        "要看 tanh'。log10 |dh_40/dh_0| 随输入的大小（括号内）的变化：{log10}。",
    ),
    "bounded_states": (
        "False. Over 100 steps, log10 |dL/dU| by the size of U is {norms}; |h| stays below 1.",
        "错。经过 100 个时刻，log10 |dL/dU| 随 U 的大小（括号内）的变化：{norms}；而 |h| 始终不超过 1。",
    ),
    "an_lstm_cannot_explode": (
        "False. log10 of |dL/dh_0| / |dL/dh_99| by the factor of U is {log10}.",
        "错。|dL/dh_0| / |dL/dh_99| 的 log10 随 U 的倍数（括号内）的变化：{log10}。",
    ),
    "between_two_cell_states": (
        "False. dc_t/dc_(t-1) and diag(f_t) differ by up to {off}: h_(t-1) and the gates are a way as well.",
        "错。dc_t/dc_(t-1) 与 diag(f_t) 最多相差 {off}：经过 h_(t-1) 和三个门还有别的路径。",
    ),
    "a_gate_of_zero": (
        "False. With f = 0, the norm of dc_t/dc_(t-1) through h_(t-1) is, by the gate, {norms}.",
        "错。f = 0 时，dc_t/dc_(t-1) 中经过 h_(t-1) 的部分，按门分开的范数：{norms}。",
    ),
    "gru_gates_at_their_limits": (
        "True. Both differ by less than 1e-14.",
        "对。两者都相差不到 1e-14。",
    ),
    "residual_memory": (
        "False. After 100 steps max h is {largest} or more; {saturated} of later slopes are < 0.01.",
        "错。100 个时刻之后，h 的最大元素至少是 {largest}；后一半时刻里 {saturated} 的斜率低于 0.01。",
    ),
    "gru_is_an_lstm_with_less": (
        "False. An LSTM counts: c = 30 - 20 = {count}. A GRU takes means: ten of them reach {largest} at most.",
        "错。LSTM 能计数：c = 30 - 20 = {count}。GRU 只取加权平均：十个 GRU 的状态最大不过 {largest}。",
    ),
    "layout": (
        "Both, by the layout. dz_i/dh_j is U[i, j]; NNDL puts j before i: U^T. In both, dL/dh is U^T delta.",
        "都对，看布局。dz_i/dh_j 就是 U[i, j]；NNDL 把 j 写在 i 前面，所以是 U^T。两种布局里 dL/dh 都是 U^T delta。",
    ),
    "by_a_matrix": (
        "Loosely said: {size} entries, {nonzero} of them not 0. With delta they make delta h^T.",
        "说得不严格：它有 {size} 个元素，其中 {nonzero} 个不为 0。与 delta 相乘之后才是 delta h^T。",
    ),
    "z_or_one_minus_z": (
        "True, in the letter alone: u is 1 - z. With the signs of its weights turned, both give one h, to 1e-14.",
        "对，但只是记号不同：u 就是 1 - z。把这个门的权重全部变号，两种写法得到同一个 h，相差不到 1e-14。",
    ),
    "a_tape_and_the_listings": (
        "In part. rnn_cell_forward makes {count} lines. concat[:n_a, :] = a_prev is refused:\n{said}",
        "部分如此。rnn_cell_forward 在磁带上有 {count} 行。concat[:n_a, :] = a_prev 则被拒绝：\n{said}",
    ),
    "a_check_and_the_listings": (
        "False. bptt.examine takes the listing as it stands.\n{found}",
        "错。bptt.examine 直接接受原样的代码。\n{found}",
    ),
    "clipping_keeps_weights_small": (
        "False: clipping bounds the step. |w| after 500 updates is {size}.",
        "错：裁剪限制的是每一步的长度。更新 500 次之后 |w| 是：{size}。",
    ),
    "clipping_and_the_cliff": (
        "It bounds the step: {longest}. Of 81 starts, a loss below 0.01: {solved}.",
        "它限制了最长的一步：{longest}。从 81 个起点出发，损失降到 0.01 以下的有：{solved}。",
    ),
    "thousand_steps": (
        "False. A simple RNN of 256 units takes {lines} lines, {mebibytes} MiB and {seconds} s here.",
        "错。256 个单元的简单循环网络用了 {lines} 行磁带、{mebibytes} MiB 内存，在这台机器上用时 {seconds} 秒。",
    ),
    "a_gate_is_0_or_1": (
        "False. Within 0.1 of 0 or 1 lie {shares}, of the values of an LSTM's gates.",
        "错。LSTM 的门的取值中，离 0 或 1 不到 0.1 的占 {shares}。",
    ),
    "better_and_faster": (
        "It depends. Error, adding: {sums}; error, recall: {first}; seconds here: {seconds}.",
        "看任务。加法任务的误差：{sums}；回忆任务的误差：{first}；在这台机器上的秒数：{seconds}。",
    ),
    "recency": (
        "At first. Three nouns mislead it in {early} of the phrases after 10 updates, in {late} after 60.",
        "开始时如此。更新 10 次之后，三个干扰名词使它在 {early} 的短语上出错；更新 60 次之后是 {late}。",
    ),
    "no_dependency_or_wrong_parameters": (
        "One can. |dL/dh_1| / |dL/dh_16| does not tell: {reach}. Errors of a GRU with open gates do: {errors}.",
        "可以知道。|dL/dh_1| / |dL/dh_16| 看不出来：{reach}。把 GRU 的门打开再训练，从误差看得出来：{errors}。",
    ),
    "truncation_regularises": (
        "True here, a little. Training: {training}; held out: {held_out}; at its best: {means}, lower with cuts in "
        "{wins} of 3 seeds.",
        "这里有一点。训练损失：{training}；留出文本上的损失：{held_out}；其最低点：{means}，"
        "3 个随机种子中有 {wins} 个是截断后更低。",
    ),
    "random_truncation": (
        "It depends. Text, held out: {losses}. A sign six steps back, error: {worst}.",
        "看任务。留出文本上的损失：{losses}。记住六个时刻之前的符号，误差：{worst}。",
    ),
}

WORDS = {
    "clipped at 0.1": "裁剪到 0.1",
    "weight decay": "权重衰减",
    "neither": "两者都不用",
    "plain": "不裁剪",
    "clipped": "裁剪",
    "before training": "训练前",
    "after it": "训练后",
    "nowhere": "不截断",
    "regularly": "常规截断",
    "by_chance": "随机截断",
    "adding": "加法",
    "recall": "回忆",
    "unrelated": "无关",
}
"""What the parts of a verdict may be called by; longer ones first."""
