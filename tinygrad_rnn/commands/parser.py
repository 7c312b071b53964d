"""The parser of the command line: help texts with examples, and errors that say what to do."""

from __future__ import annotations

import argparse
import difflib
import sys
from collections.abc import Iterable
from typing import Any, NoReturn, TypeAlias

from tinygrad_rnn.commands.common import printable
from tinygrad_rnn.language.current import LANGUAGES

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
"""The commands of the command line, to which `add_command` adds one."""
EXAMPLES = "examples:"
NUMBERS = ("whole", "number", "seconds", "int", "float")
"""The names of the functions that read a number."""


class Parser(argparse.ArgumentParser):
    """A parser whose errors are two lines, without control characters, and name what was probably meant."""

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **{"formatter_class": _Formatter, **keywords})

    _intermixed = False

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> tuple[Any, list[str]]:
        """Parse arguments. Options may stand between the positional ones, where a command takes any number of these."""
        if self._intermixed or not any(action.nargs == "*" for action in self._get_positional_actions()):
            return super().parse_known_args(args, namespace)
        self._intermixed = True  # argparse comes back here for each of the two kinds
        try:
            return self.parse_known_intermixed_args(args, namespace)
        finally:
            self._intermixed = False

    def error(self, message: str) -> NoReturn:
        """End with status 2 and say where the help is."""
        self.exit(2, printable(f"{self.prog}: error: {message}\nsee {self.prog} --help\n"))

    def refuse(self, unknown: Iterable[str]) -> NoReturn:
        """End with status 2 because of arguments that this command does not have."""
        words = list(unknown)
        names = [name for word in words if (name := word.partition("=")[0]).startswith("-")]
        found = "".join(dict.fromkeys(meant(name, self._option_string_actions) for name in names))
        self.error(f"unrecognized arguments: {' '.join(words)}{found}")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            there = [str(choice) for choice in action.choices]
            raise argparse.ArgumentError(action, f"{value!r}: choose from {', '.join(there)}{meant(str(value), there)}")

    def _print_message(self, message: str, file: Any = None) -> None:
        if message and file is sys.stdout:  # where argparse would lose it without a word
            file.write(message)
        else:
            super()._print_message(message, file)


class _Formatter(argparse.HelpFormatter):
    """A formatter that keeps the lines of examples as they are, and calls a number N."""

    def _get_default_metavar_for_optional(self, action: argparse.Action) -> str:
        return value_name(action)

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return text if text.startswith(EXAMPLES) else super()._fill_text(text, width, indent)


def value_name(action: argparse.Action) -> str:
    """Return the word that stands for the value of an option: as it was given, N for a number, or the option's name."""
    if isinstance(action.metavar, str):
        return action.metavar
    return "N" if getattr(action.type, "__name__", "") in NUMBERS else (action.dest or "").upper()


def add_command(commands: Commands, name: str, does: str, *examples: str) -> argparse.ArgumentParser:
    """Add a command, with a phrase that says what it does, and examples of its use, the arguments alone."""
    lines = [EXAMPLES, *(f"  tinygrad-rnn {name} {example}".rstrip() for example in examples)]
    parser = commands.add_parser(name, help=does, description=f"{does[0].upper()}{does[1:]}.", epilog="\n".join(lines))
    parser.set_defaults(parser=parser)
    return parser


def add_language(parsers: Iterable[argparse.ArgumentParser]) -> None:
    """Add to every command, as its last option, the language in which it speaks."""
    for parser in parsers:
        parser.add_argument("--lang", choices=LANGUAGES, help="language of the words (default: that of the locale)")


def meant(word: str, names: Iterable[str]) -> str:
    """Return `; did you mean lstm?` for a word that is nearly one of the names; else nothing."""
    by_small = {name.lower(): name for name in names}
    found = difflib.get_close_matches(word.lower(), by_small, n=1)
    return f"; did you mean {by_small[found[0]]}?" if found else ""
