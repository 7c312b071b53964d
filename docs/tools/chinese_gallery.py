"""The words of the gallery in Chinese."""

PAGE = """# 图库

*读者：需要图的人。需要 5 分钟。*

本页的每幅图都由磁带画出：循环单元作为普通的前向代码运行，磁带把它记录下来。时间从左到右。每个时刻从下到上，各层也是如此。\
蓝色方框是状态，橙色方框是门，紫色方框是其他有名称的值，灰色方框是运算。绿色方框是输入。\
虚线方框是参数的副本，每次使用一个。蓝色箭头把状态从一个时刻传到下一个时刻。\
初始状态的编号在第一个时刻之前，`first_step` 决定[时刻的编号](tape.md)从哪里开始。

每个门或每个循环单元一个方框时，箭头上的字母是参数：W 乘以沿它的箭头传递的量。\
它们是在磁带上找到的，时刻下面的一行给出它们的名称。\
参数在每个时刻都要使用，所以它的梯度是对各个时刻求和。画出梯度时，一个时刻的副本写出这次使用*贡献*多少（数组写范数）。\
时刻下面的各行重复这些贡献，并以它们的和结束。

```python
import numpy as np
import tinygrad_rnn as tg
from tinygrad_rnn import draw, nn

rng = np.random.default_rng(0)
with tg.Tape() as tape:
    hs, _ = nn.unroll(nn.lstm, nn.init.lstm(rng, 3, 4), rng.standard_normal((4, 2, 3)))
    L = tg.named("L", nn.mse(hs, np.zeros((4, 2, 4))))

draw.render(tape, "lstm.svg", level="gates")  # 文件；在笔记本中用 draw.show(tape)
draw.render(tape, "flow.svg", level="cells", flow=L)  # 反向传来的梯度
draw.render(tape, "figure.svg", view="textbook")  # 教科书中的图
draw.render(tape, "slide.svg", style="slide", loss=L)  # 用于投影
print(draw.text(tape))  # 同样的内容，在终端上
```

两种引擎画出同样的方框，有同样的标识，在同样的位置：Graphviz（`dot`，如果已经安装），以及项目自己的网格，它不需要其他程序。\
表中是从磁带到 SVG 文件的秒数，两层的 LSTM，一个核（`demos/benchmark/drawing.py`）：

| 方框 | 网格 | `dot` |
|---:|---:|---:|
| 460 | 0.03 | 0.1 |
| 1,900 | 0.1 | 0.4 |
| 9,500 | 0.6 | |
| 94,000 | 7.5 | |

`dot` 得到每个方框的位置和每个箭头的路线（`layout=nop2`）。\
如果要它自己寻找，500 个方框、直线箭头就需要 24 秒，而且会打乱各个时刻。
"""

NETWORKS = {
    "numbers": "单个数的递推",
    "rnn": "简单循环网络",
    "lstm": "LSTM",
    "gru": "GRU",
    "gru_textbook": "GRU，重置门在矩阵之前",
    "residual_rnn": "残差循环网络",
    "two_layers": "两层（GRU）",
    "bidirectional": "双向（RNN）",
    "two_layers_bidirectional": "两层，双向（LSTM）",
    "own": "您自己的循环单元",
}
WORDS = {
    "cells": "每个循环单元一个方框",
    "gates": "每个门一个方框",
    "ops": "每个运算一个方框",
    "rolled": "一个时刻，带循环的边",
    "flow": "反向传来的梯度的范数",
    "flow_gates": "反向传来的梯度的范数，按门画出；参数旁写出这个时刻的贡献",
    "truncated": "截断：梯度在 t = 2 之前截断",
    "truncated_dark": "截断，深色",
    "values": "值和梯度",
    "heat": "值和梯度的小热图",
    "textbook": "教科书中的图：折叠的和展开的",
    "slide": "幻灯片：1920 x 1080，字号不小于 18 磅，放得下多少个时刻就画多少个",
    "slide_flow": "深色的幻灯片，带反向传来的梯度",
    "long": "长序列的两端",
}
TERMINAL = "## 在终端上\n\nLSTM 的 `print(draw.text(tape))`："
