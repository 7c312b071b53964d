"""The page on the commands is what the parser of the command line says."""

import re

import make_commands
import pytest
from marked_blocks import place

from tinygrad_rnn.commands import streams

PAGE = make_commands.PAGE.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", make_commands.BLOCKS)
def test_a_block_of_the_page_is_what_the_parser_says(name):
    shown = [text for _, text, _ in place("make_commands.py", name).findall(PAGE)]
    assert shown == [make_commands.BLOCKS[name]()], "run: python docs/tools/make_commands.py"


@pytest.mark.parametrize("command", make_commands.commands())
def test_the_page_names_each_option_of_a_command_in_its_section(command):
    section = re.split(r"^### ", PAGE, flags=re.M)
    own = next(part for part in section if part.startswith(f"tinygrad-rnn {command}\n"))
    words = make_commands.commands()[command].format_help().partition("examples:")[0]
    for option in re.findall(r"(?<![\w-])--?[a-z][a-z-]*", words.partition("options:")[2]):
        assert option in own or option in ("-h", "--help"), option


def test_the_page_has_the_kind_of_every_result_in_json():
    commands = make_commands.commands()
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \|", PAGE.partition("## Results as JSON")[2], flags=re.M)
    takes = {name for name, parser in commands.items() if "--json" in parser.format_help()}
    assert {name for name, _ in rows} == takes
    assert streams.STANDARD == "-"
