"""What lm and the commands train, sample and demo say, in Chinese."""

TRAINING = {
    # The curve and the progress
    "epoch": "回合",
    "perplexity": "困惑度",
    "training": "训练",
    "validation": "验证",
    "held out": "留出",
    "progress": "进度",
    "Perplexity of a character {cell}, {hidden} hidden units": "字符 {cell} 的困惑度，{hidden} 个隐藏单元",
    "A character {cell} of {hidden} hidden units": "字符 {cell}，{hidden} 个隐藏单元",
    "{name}: {count} of {all} values are not finite, as where a run diverges": (
        "{name}：{all} 个值中有 {count} 个不是有限数，例如训练发散时"
    ),
    "epoch {n}/{all}": "回合 {n}/{all}",
    "loss {loss:.4g}": "损失 {loss:.4g}",
    "perplexity {value:.4g}": "困惑度 {value:.4g}",
    "{rate:,.0f} characters/s": "每秒 {rate:,.0f} 个字符",
    "{n:,} window into the first epoch": "第一个回合的第 {n:,} 个窗口",
    "{n:,} windows into the first epoch": "第一个回合的第 {n:,} 个窗口",
    "after {n:,} epoch": "{n:,} 个回合之后",
    "after {n:,} epochs": "{n:,} 个回合之后",
    "{after}: perplexity {value:.4g}{beside}": "{after}：困惑度 {value:.4g}{beside}",
    ", on held-out text {value:.4g}": "，留出的文本 {value:.4g}",
    ", on held-out text {value}": "，留出的文本 {value}",
    "A training {words}": "训练：{words}",
    # The text
    "{n:,} character": "{n:,} 个字符",
    "{n:,} characters": "{n:,} 个字符",
    "held out: {size}, {unknown} of them unknown{seen}": "留出：{size}，其中 {unknown} 个未知{seen}",
    "; lines that the training part has too: {same} of {all}": "；训练部分也有的行：{all} 行中的 {same} 行",
    "alphabet: {size}, each as it is (--alphabet all){rare}": "字母表：{size}，保持原样（--alphabet all）{rare}",
    "; {unknown} of {all} in the training part are unknown": "；训练部分的 {all} 个中有 {unknown} 个未知",
    # The commands
    "stopped; go on with: {command}": "已停止；继续请运行：{command}",
    "epoch {n}: perplexity {value}{beside}, {rate:,.0f} characters/s; wrote {out}": (
        "回合 {n}：困惑度 {value}{beside}，每秒 {rate:,.0f} 个字符；已写入 {out}"
    ),
    "The tape, {n} entries, softmax(V h + c) and the mean cross entropy at its end: L = {loss:.6f}": (
        "磁带，{n} 个条目，末尾是 softmax(V h + c) 和平均交叉熵：L = {loss:.6f}"
    ),
    "{n:,} comparison FAILED": "{n:,} 项比较不一致",
    "{n:,} comparisons FAILED": "{n:,} 项比较不一致",
    "Every comparison agrees.": "所有比较都一致。",
    "softmax readout: tape against the derivation by hand": "softmax 读出层：磁带对照手工推导",
}
"""English template -> Chinese template."""
