"""The pages as a site: `pip install -e ".[docs]"`, then `python -m sphinx -W docs site`."""

project = "tinygrad_rnn"
extensions = ["myst_parser"]
html_theme = "furo"
exclude_patterns = ["tools"]
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 2
