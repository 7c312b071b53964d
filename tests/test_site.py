"""The pages as a site: it builds without a warning, asks no other host, and finds its words, Chinese ones too."""

import importlib
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import tinygrad_rnn
from tinygrad_rnn import bptt, draw, nn

pytest.importorskip("sphinx", reason="the site needs the extra `docs`")
pytest.importorskip("latex2mathml", reason="the site needs the extra `docs`")
import chinese
import docstrings
import mathml

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(page.relative_to(DOCS).with_suffix("").as_posix() for page in DOCS.rglob("*.md"))
HAN = r"[\u3400-\u9fff\u3001-\u3011\uff01-\uff5e]"
LOADS = re.compile(
    r"""<(?:script|img|iframe|source|video|audio|embed|object|link|image|use|input)\b[^>]*?"""
    r"""\s(?:src|srcset|href|data|poster|xlink:href)\s*=\s*["']?\s*((?:https?:)?//[^"'\s>]+)""",
    flags=re.I,
)
STYLES_LOAD = re.compile(r"""(?:@import\s+["']?|url\(\s*["']?)((?:https?:)?//[^"'\s)]+)""")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-W", "-n", "-q", str(DOCS), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


def html(site, page):
    return (site / f"{page}.html").read_text(encoding="utf-8")


# ---------------------------------------------------------------------------------------------- the files


@pytest.mark.slow
def test_every_page_is_there_and_in_a_group(site):
    menu = html(site, "index").partition('class="sidebar-tree"')[2].partition("</aside>")[0]
    assert re.findall(r'class="caption-text">([^<]+)<', menu)[:4] == [
        "Learn",
        "Homework",
        "Look things up",
        "How it is made",
    ]
    for page in PAGES:
        assert (site / f"{page}.html").exists()
        assert page == "index" or f'href="{page}.html"' in menu, f"{page} is in no group"


@pytest.mark.slow
def test_nothing_is_loaded_from_another_host(site):
    for path in site.rglob("*"):
        if path.suffix in (".html", ".svg"):
            text = path.read_text(encoding="utf-8")
            assert not LOADS.findall(text), path.name
            assert not STYLES_LOAD.findall(text), path.name
        elif path.suffix == ".css":
            assert not STYLES_LOAD.findall(path.read_text(encoding="utf-8")), path.name


@pytest.mark.parametrize(
    "text",
    [
        '<script async src="https://cdn.example/a.js"></script>',
        "<img alt=x src='//cdn.example/a.png'>",
        '<link rel="stylesheet" href="http://cdn.example/a.css">',
        "<link href=https://fonts.example/a rel=stylesheet>",
    ],
)
def test_a_load_from_another_host_would_be_seen(text):
    assert LOADS.findall(text)
    assert not LOADS.findall(re.sub(r"https?:|//", "", text))
    assert not LOADS.findall('<a href="https://example.org">a link is no load</a>')
    assert STYLES_LOAD.findall("@import 'https://a.example/b.css'") == ["https://a.example/b.css"]
    assert STYLES_LOAD.findall("x { background: url(//a.example/b.png) }") == ["//a.example/b.png"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("page", "module"),
    [("tg", tinygrad_rnn), ("nn", nn), ("bptt", bptt), ("draw", draw)],
    ids=["tg", "nn", "bptt", "draw"],
)
def test_every_public_name_is_in_the_reference(site, page, module):
    text = html(site, f"api/{page}")
    everywhere = "".join(html(site, f"api/{other}") for other in ("tg", "nn", "bptt", "draw"))
    for name in module.__all__:
        found = getattr(module, name)
        if not isinstance(found, ModuleType):
            assert f'id="{module.__name__}.{name}"' in text, name
            assert text.count(f'<dt class="sig sig-object py" id="{module.__name__}.{name}"') == 1
            continue
        for own in docstrings.names_of(found):
            assert f'id="{found.__name__}.{own}"' in everywhere, f"{name}.{own}"


@pytest.mark.slow
def test_a_chinese_page_says_so_and_has_no_gaps(site):
    for page in PAGES:
        text = html(site, page)
        assert re.search(r'<html [^>]*lang="(\w+)"', text)[1] == ("zh" if page.startswith("zh/") else "en")
        if page.startswith("zh/"):
            prose = re.sub(r"<pre>.*?</pre>", "", text.partition("<article")[2].partition("</article>")[0], flags=re.S)
            gap = re.search(rf".{{0,20}}{HAN}\n{HAN}.{{0,20}}", prose)
            assert gap is None, f"{page}: {gap[0]}"


@pytest.mark.slow
def test_formulas_are_mathml_in_a_box_of_their_own(site):
    for page in PAGES:
        source = (DOCS / f"{page}.md").read_text(encoding="utf-8")
        whole_lines = len(re.findall(r"^\$\$.+\$\$$", source, flags=re.M))
        count = whole_lines + len(re.findall(r"^\$\$$", source, flags=re.M)) // 2
        text = html(site, page)
        assert text.count('<div class="formula"><math') == count
        assert "\\frac" not in re.sub(r"<pre>.*?</pre>", "", text, flags=re.S)
        assert not re.search(r"<script[^>]*mathjax", text, flags=re.I)


# ---------------------------------------------------------------------------------------------- in a browser


@pytest.mark.slow
@pytest.mark.needs_chromium
def test_pages_ask_for_nothing_and_fit_a_phone_and_paper(site, chromium):
    context = chromium.new_context(viewport={"width": 390, "height": 800})
    asked = []
    context.route(
        lambda url: not url.startswith("file:"), lambda route: (asked.append(route.request.url), route.abort())
    )
    tab = context.new_page()
    wide = "document.documentElement.scrollWidth"
    for page in PAGES:
        tab.goto((site / f"{page}.html").as_uri())
        assert tab.evaluate(wide) <= 390, f"{page} is wider than a phone"
    context.set_default_timeout(10_000)
    tab.set_viewport_size({"width": 700, "height": 900})
    tab.emulate_media(media="print")
    for page in PAGES:
        tab.goto((site / f"{page}.html").as_uri())
        assert tab.evaluate(wide) <= 700, f"{page} is wider than paper"
        assert not tab.locator(".skip-to-content, .sidebar-drawer, .toc-drawer").filter(visible=True).count()
        cut = "[...document.querySelectorAll('article pre, .formula')].filter(e => e.scrollWidth > e.clientWidth + 1)"
        assert tab.evaluate(f"{cut}.map(e => e.textContent.slice(0, 60))") == [], f"{page}: cut off on paper"
    assert asked == []
    context.close()


@pytest.mark.slow
@pytest.mark.needs_chromium
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(site, chromium, scheme):
    module = pytest.importorskip("axe_playwright_python", reason="axe-core is not installed (extra `dev`)")
    tab = chromium.new_page(color_scheme=scheme)
    for page in ("index", "tape", "api/draw", "derivations/exercise-02", "zh/README"):
        tab.goto((site / f"{page}.html").as_uri())
        tab.add_script_tag(path=module.__path__[0] + "/axe.min.js")
        # Chromium and Firefox let the keyboard into a box that scrolls; a stop at every block of code is in the way.
        found = tab.evaluate("axe.run({rules: {'scrollable-region-focusable': {enabled: false}}})")
        serious = [v["id"] for v in found["violations"] if v["impact"] in ("serious", "critical")]
        assert serious == [], page
    tab.close()


@pytest.mark.slow
@pytest.mark.needs_chromium
@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        pytest.param("zoneout", "api/nn.html", id="a function"),
        pytest.param("AdamW", "api/nn.html", id="a class"),
        pytest.param("截断", "zh/exercises.html", id="a Chinese word"),
        pytest.param("vanishing gradient", "flow.html", id="English by its stems"),
        pytest.param("梯度", "zh/README.html", id="another Chinese word"),
    ],
)
def test_search_finds(site, chromium, words, wanted):
    tab = chromium.new_page()
    tab.goto(f"{(site / 'search.html').as_uri()}?q={words}")
    tab.wait_for_function("document.querySelector('.search-summary')?.textContent.includes('finished')")
    links = tab.eval_on_selector_all("#search-results li > a", "found => found.map(a => a.href)")
    assert any(wanted in link for link in links), links
    tab.close()


@pytest.mark.slow
@pytest.mark.needs_chromium
def test_search_does_not_find_characters_that_are_no_word_there(site, chromium):
    tab = chromium.new_page()
    tab.goto(f"{(site / 'search.html').as_uri()}?q=断截")
    tab.wait_for_function("document.querySelector('#search-results p')?.textContent.length > 0")
    assert tab.locator("#search-results li").count() == 0
    tab.close()


# ---------------------------------------------------------------------------------------------- the extensions


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("随时间\n反向传播", "随时间反向传播"),
        ("程序，\nLSTM 的", "程序，LSTM 的"),
        ("使用 NumPy\n的数组", "使用 NumPy\n的数组"),
        ("one\ntwo", "one\ntwo"),
        ("一\n二\n三", "一二三"),
        ("", ""),
    ],
)
def test_lines_of_chinese_are_joined_without_a_gap(text, expected):
    assert chinese.without_gaps(text) == expected


def test_lines_are_joined_across_markup():
    assert chinese.without_gaps("\n传播", before="向") == "传播"
    assert chinese.without_gaps("反向\n", after="传") == "反向"
    assert chinese.without_gaps("\n", before="a", after="b") == "\n"
    assert chinese.without_gaps("\n", before="。", after="L") == ""


def test_chinese_is_split_into_characters_and_pairs():
    split = chinese.SearchEnglishAndChinese({}).split
    assert split("截断 BPTT") == ["截", "断", "截断", "BPTT"]
    assert split("dL_t的梯度") == ["dL_t", "的", "梯", "度", "的梯", "梯度"]
    assert split("门") == ["门"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("`x` and *all* of y", "``x`` and *all* of y"),
        ("c = f * c_t + |g|_2", r"c = f \* c\_t + \|g\|\_2"),
        ("a `code`s", r"a ``code``\ s"),
        ("as `lstm` does", "as :py:obj:`lstm <tinygrad_rnn.nn.lstm>` does"),
        ("`tg.grad`, `grad(f)`", ":py:obj:`tg.grad <tinygrad_rnn.grad>`, ``grad(f)``"),
        ("a back\\slash", r"a back\\slash"),
    ],
)
def test_a_line_of_a_docstring_becomes_markup(text, expected):
    assert docstrings.inline(text, "nn") == expected


def test_equations_stay_lines_and_prose_is_filled():
    prose = [
        "This line is filled up to its end, as a formatter of paragraphs would do it, so it goes on in the next",
        "one.",
    ]
    assert docstrings.converted(prose) == [*prose, ""]
    assert docstrings.converted(["z = W x", "h = tanh(z)"]) == ["| z = W x", "| h = tanh(z)", ""]
    long = "r = sigmoid(W_r x_t + b_ir + U_r h_{t-1} + b_hr),  z = sigmoid(W_z x_t + b_iz + U_z h_{t-1} + b_hz)"
    shown = [docstrings.inline(line) for line in (long, "n = tanh(r)")]
    assert docstrings.converted([long, "n = tanh(r)"]) == [*(f"| {line}" for line in shown), ""]
    assert docstrings.converted([prose[0], "xs: (T, B)", "Raises"])[1:3] == ["| xs: (T, B)", "| Raises"]
    code = ["Do:", "", "    x = 1", "", "- one", "  goes on", "- two", "", ">>> 1", "1"]
    assert docstrings.converted(code) == [
        *["Do:", "", "::", "", "        x = 1", ""],
        *["- one", "  goes on", "- two", "", ">>> 1", "1", ""],
    ]


@pytest.mark.parametrize("name", sorted(docstrings.public() & {f"tinygrad_rnn.nn.{n}" for n in nn.__all__}))
def test_a_public_name_can_be_imported_by_its_full_name(name):
    module, _, last = name.rpartition(".")
    assert getattr(importlib.import_module(module), last) is not None


def test_a_long_formula_may_break_before_each_sum_and_relation():
    pieces = mathml.in_pieces(mathml.mathml(r"\frac{a + b}{c} = d + e - \operatorname{diag}(f + g)", "block"))
    words = [re.sub(r"<[^>]*>", "", piece) for piece in pieces]
    assert words == ["a+bc", "=d", "+e", "\u2212diag(f+g)"]
    assert [piece.count('form="infix"') for piece in pieces] == [0, 1, 1, 1]


def test_a_piece_that_is_too_long_may_break_within_its_bracket():
    """A sign behind the bracket begins no piece, and a bracket within the bracket stays whole."""
    long = " + ".join(f"(a_{{{n}}} + b_{{{n}}})" for n in range(10, 20))
    pieces = mathml.in_pieces(mathml.mathml(rf"x = (- {long}) c", "block"))
    words = [re.sub(r"<[^>]*>", "", piece) for piece in pieces]
    assert words == [
        "x",
        "=(\u2212(a10+b10)",
        *(f"+(a{n}+b{n})" for n in range(11, 19)),
        "+(a19+b19))c",
    ]


def test_a_bracket_with_an_index_is_closed():
    pieces = mathml.in_pieces(mathml.mathml(r"x = [W_{f} + U]_{:,1:H} + (a + b)^{2} + c", "block"))
    assert [re.sub(r"<[^>]*>", "", piece) for piece in pieces] == ["x", "=[Wf+U]:,1:H", "+(a+b)2", "+c"]


def test_formulas_that_cannot_be_converted_are_refused():
    assert "<mfrac>" in mathml.mathml(r"\frac{\partial L}{\partial U}")
    assert 'class="matrix"' in mathml.mathml(r"\begin{bmatrix} a \\ b \end{bmatrix}", "block")
    for latex in (r"\notacommand x", r"\begin{aligned} a &= b \end{aligned}"):
        with pytest.raises(ValueError, match="no MathML for"):
            mathml.mathml(latex)
