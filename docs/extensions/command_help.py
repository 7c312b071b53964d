"""The help of every command of the command line, each in a section of its own, as the program prints it."""

from __future__ import annotations

import os
from unittest import mock

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from tinygrad_rnn import cli

COLUMNS = 86


def helps() -> dict[str, str]:
    """Return the help of each command by its name, in the order of the program's own list."""
    parser = cli.Parser(prog="tinygrad-rnn")
    commands = parser.add_subparsers()
    for command in cli.COMMANDS:
        command.add(commands)
    with mock.patch.dict(os.environ, {"COLUMNS": str(COLUMNS), "NO_COLOR": "1"}):
        return {name: own.format_help() for name, own in commands.choices.items()}


class CommandHelp(SphinxDirective):
    """`.. command-help::` stands for a section for each command."""

    def run(self) -> list[nodes.Node]:
        """Return the sections."""
        sections: list[nodes.Node] = []
        for name, text in helps().items():
            section = nodes.section(ids=[f"command-{name}"], names=[f"command-{name}"])
            section += [nodes.title(name, name), nodes.literal_block(text, text, language="text")]
            self.state.document.note_explicit_target(section, section)
            sections.append(section)
        return sections


def setup(app: Sphinx) -> dict[str, bool]:
    """Add the directive."""
    app.add_directive("command-help", CommandHelp)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
