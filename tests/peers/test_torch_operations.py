"""PyTorch's own samples of operations (`op_db`): ours give its values and gradients, in float32 and float64."""

import re

import pytest
from torch_in_numpy import OPERATIONS
from torch_samples import Left, require_count, require_the_same, torch_testing

pytestmark = [
    pytest.mark.needs_torch,
    pytest.mark.slow,  # the test tools alone take seconds to import
]

COUNTS = """
abs:1 acos:3 acosh:3 asin:1 asinh:1 atan:1 atanh:1 ceil:1 clone:2 cos:3 cosh:3 deg2rad:1 exp:3 exp2:3 expm1:1 floor:1
frac:1 isfinite:3 isinf:1 isnan:1 log:3 log10:3 log1p:1 log2:3 logit:4 neg:1 positive:1 rad2deg:1 reciprocal:3 round:1
rsqrt:3 sgn:1 sigmoid:3 sign:1 sin:1 sinh:1 sqrt:1 square:3 tan:1 tanh:1 trunc:1 F.celu:3 F.elu:3 F.gelu:8
F.hardswish:4 F.leaky_relu:9 F.logsigmoid:3 F.mish:3 F.relu:4 F.selu:3 F.silu:3 F.softplus:3 F.softsign:3
F.tanhshrink:3 F.threshold:4 logical_not:3 round/decimals_0:3 round/decimals_3:3 round/decimals_neg_3:3 F.hardtanh:5
F.relu6:3 F.softshrink:5 F.hardshrink:6 F.glu:46
add:11 sub:11 rsub:11 mul:9 div/no_rounding_mode:9 true_divide:9 __radd__:9 __rsub__:9 __rmul__:9 __rdiv__:9
__rpow__:9 pow:9 float_power:9 atan2:9 hypot:9 logaddexp:9 logaddexp2:1 maximum:9 minimum:9 fmax:9 fmin:9 remainder:9
eq:10 ne:9 lt:9 le:9 gt:9 ge:9 lerp:14 addcmul:12 addcdiv:12 clamp:5 clamp_min:9 clamp_max:9 where:6 max/binary:9
min/binary:9 masked_fill:8 floor_divide:9 div/floor_rounding:9 div/trunc_rounding:9 fmod:9 logical_and:9 logical_or:9
logical_xor:9
sum:20 mean:20 amax:20 amin:20 max/reduction_no_dim:2 min/reduction_no_dim:2 logsumexp:15 prod:39 var:14
var/unbiased:2 std:14 std/unbiased:2 argmax:13 argmin:13 cumsum:4 cumprod:10 linalg.vector_norm:80 trace:5 dist:25
softmax:7 softmax/with_dtype:7 log_softmax:7 log_softmax/with_dtype:7 F.softmin:7 F.softmin/with_dtype:7
max/reduction_with_dim:4 min/reduction_with_dim:4 var_mean:14 std_mean:14 all:20 any:20
mm:3 matmul:15 __rmatmul__:15 bmm:1 mv:1 dot:1 vdot:1 inner:2 outer:1 addmm:6 addmm/decomposed:6 addmv:6 addr:4
baddbmm:6 addbmm:6 tensordot:2 einsum:10 linalg.inv:8 linalg.det:9 linalg.slogdet:9 logdet:9 linalg.solve:24
linalg.multi_dot:7 linalg.vecdot:44 F.linear:18 F.bilinear:16 diag:16 diagonal:15 linalg.diagonal:15 tril:8 triu:8
reshape:7 view:7 reshape_as:4 view_as:4 transpose:8 permute:4 T:2 t:3 mT:5 movedim:2 squeeze:8 squeeze/multiple:6
unsqueeze:9 flatten:6 unflatten:10 ravel:3 expand:9 expand_as:3 broadcast_to:7 flip:10 fliplr:2 flipud:2 roll:17
rot90:34 repeat:17 tile:20 repeat_interleave:5 stack:9 cat:9 hstack:2 vstack:2 dstack:2 column_stack:3 split:2
split/list_args:3 split_with_sizes:4 chunk:3 tensor_split:10 hsplit:2 vsplit:2 unbind:6 atleast_1d:6 atleast_3d:6
dsplit:2 atleast_2d:6 narrow:10 select:6 slice:4 F.pad/constant:47 constant_pad_nd:47 diff:64 zeros_like:7 ones_like:7
__getitem__:16 index_select:3 gather:6 take:10 take_along_dim:5 index_add:9 index_copy:3 index_fill:6 scatter_add:6
sort:58 msort:2 masked_select:7 F.embedding:3 argsort:58 select_scatter:5 slice_scatter:9
F.cross_entropy:11 F.binary_cross_entropy_with_logits:26 F.mse_loss:6 F.l1_loss:6 F.smooth_l1_loss:8 F.huber_loss:9
F.layer_norm:2
"""
SAMPLES = {name.replace("F.", "nn.functional."): int(n) for name, n in re.findall(r"(\S+):(\d+)", COUNTS)}
"""How many of PyTorch's samples of an operation run, in each dtype."""


def test_every_operation_has_a_count():
    assert list(SAMPLES) == list(OPERATIONS)
    assert min(SAMPLES.values()) > 0


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", OPERATIONS)
def test_samples_of_an_operation(name, dtype):
    torch, tools = torch_testing("common_methods_invocations")
    plain, _, variant = name.partition("/")
    (info,) = [op for op in tools.op_db if (op.name, op.variant_test_name) == (plain, variant)]
    ran = 0
    for sample in info.sample_inputs("cpu", getattr(torch, dtype), requires_grad=info.supports_autograd):
        if name == "nn.functional.cross_entropy" and "weight" in sample.kwargs:
            sample.kwargs["weight"].abs_()  # ours refuses negative ones
        try:
            require_the_same(torch, info.op, OPERATIONS[name], (sample.input, *sample.args), sample.kwargs)
        except Left:
            continue
        ran += 1
    require_count(torch, ran, SAMPLES[name])
