"""The sentences of the program, read from its source."""

import ast
import re
from pathlib import Path

import tinygrad_rnn

PACKAGE = Path(tinygrad_rnn.__file__).parent
SAYING = ("say", "sentence", "template")


def calls():
    """Return where each sentence stands, its template, and the names of its parts (None where they are not known)."""
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in SAYING:
                where = f"{path.relative_to(PACKAGE).as_posix()}:{node.lineno}"
                said = node.args[0].value if node.args and isinstance(node.args[0], ast.Constant) else None
                names = {keyword.arg for keyword in node.keywords}
                known = None not in names and node.func.id != "template"
                found.append((where, said, names if known else None, len(node.args)))
    for path in sorted((PACKAGE / "draw" / "page").iterdir()):
        pattern = r"\{\{(.*?)\}\}" if path.suffix == ".html" else r'\b(?:say|phrase)\(\s*"([^"]*)"'
        for said in re.findall(pattern, path.read_text(encoding="utf-8")) if path.suffix != ".css" else ():
            found.append((path.name, said, None, 1))
    return found


CALLS = calls()
