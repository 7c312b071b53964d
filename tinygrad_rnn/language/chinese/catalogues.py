"""All Chinese translations in one dict."""

from __future__ import annotations

from tinygrad_rnn.language.chinese.zh_atlas import ATLAS
from tinygrad_rnn.language.chinese.zh_cells import CELLS
from tinygrad_rnn.language.chinese.zh_common import COMMON
from tinygrad_rnn.language.chinese.zh_comparison import COMPARISON
from tinygrad_rnn.language.chinese.zh_derivation import DERIVATION
from tinygrad_rnn.language.chinese.zh_diagnosis import DIAGNOSIS
from tinygrad_rnn.language.chinese.zh_flow import FLOW
from tinygrad_rnn.language.chinese.zh_forms import FORMS
from tinygrad_rnn.language.chinese.zh_homework import HOMEWORK
from tinygrad_rnn.language.chinese.zh_marking import MARKING
from tinygrad_rnn.language.chinese.zh_mistakes import MISTAKES
from tinygrad_rnn.language.chinese.zh_online import ONLINE
from tinygrad_rnn.language.chinese.zh_pictures import PICTURES
from tinygrad_rnn.language.chinese.zh_player import PLAYER
from tinygrad_rnn.language.chinese.zh_scan_player import SCAN_PLAYER
from tinygrad_rnn.language.chinese.zh_scans import SCANS
from tinygrad_rnn.language.chinese.zh_training import TRAINING
from tinygrad_rnn.language.chinese.zh_truncation import TRUNCATION

CATALOGUES = (
    COMMON,
    COMPARISON,
    DIAGNOSIS,
    FLOW,
    MISTAKES,
    HOMEWORK,
    MARKING,
    DERIVATION,
    ONLINE,
    SCANS,
    SCAN_PLAYER,
    PICTURES,
    PLAYER,
    TRAINING,
    TRUNCATION,
    FORMS,
    ATLAS,
    CELLS,
)
"""The catalogues of the rooms."""

CHINESE: dict[str, str] = {english: chinese for catalogue in CATALOGUES for english, chinese in catalogue.items()}
"""The Chinese template for each English one."""
