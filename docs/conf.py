"""The pages as a site: `pip install -e ".[docs]"`, then `python -m sphinx -W -n docs site`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "extensions"))

project = "tinygrad_rnn"
extensions = ["myst_parser", "sphinx.ext.autodoc", "docstrings", "mathml", "chinese"]
exclude_patterns = ["tools", "extensions"]
nitpicky = True

myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3

autodoc_typehints = "none"  # the docstrings say shapes and types
autodoc_preserve_defaults = True
autodoc_member_order = "groupwise"
toc_object_entries_show_parents = "hide"
add_module_names = False

html_theme = "furo"
html_title = "tinygrad_rnn"
html_static_path = ["static", "../tinygrad_rnn/bptt/atlas/sortable.js"]
html_css_files = ["site.css"]
pygments_dark_style = "github-dark"
html_math_renderer = "mathml"
html_search_language = "en-zh"
html_show_copyright = False
html_copy_source = False
html_show_sourcelink = False


def setup(app):
    """Give the captions of the groups the level that a heading needs for a screen reader."""

    def with_levels(app, page, template, context, doctree):
        for part in ("furo_navigation_tree", "body"):
            context[part] = context.get(part, "").replace('role="heading">', 'role="heading" aria-level="2">')

    def with_sorting(app, page, template, context, doctree):
        """Add to the index of the atlas the script that sorts its table."""
        if page.endswith("atlas/index"):
            app.add_js_file("sortable.js", loading_method="defer")

    app.connect("html-page-context", with_levels, priority=900)
    app.connect("html-page-context", with_sorting)
