"""Import modules from their source text alone: bytecode beside them is neither read nor written.

Python takes `__pycache__` for the source where length and time of change agree. A file that is mended within a second,
or exchanged with `cp -p`, has both, and would run as it was before.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.machinery import EXTENSION_SUFFIXES, ExtensionFileLoader, FileFinder, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType

READ: set[str] = set()
"""The paths of all sources that were read."""


class SourceLoader(SourceFileLoader):
    """A loader that compiles the source each time."""

    def get_code(self, fullname: str) -> CodeType:
        """Compile the module's source."""
        path = self.get_filename(fullname)
        READ.add(path)
        return self.source_to_code(self.get_data(path), path)


def from_source() -> list[ModuleType]:
    """Return the modules that are loaded from their source text."""
    return [
        m
        for m in [*sys.modules.values()]
        if isinstance(getattr(getattr(m, "__spec__", None), "loader", None), SourceLoader)
    ]


def digest(path: Path) -> str:
    """Return the hash of a file's bytes; of a file that cannot be read, "-"."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return "-"


@contextmanager
def imported_from_source(folder: Path) -> Iterator[None]:
    """Find the modules of a folder first, and compile their sources. Afterwards none of them stays imported."""
    own: set[str] = set()

    def finder(entry: str) -> FileFinder:
        if not Path(entry).resolve().is_relative_to(folder):
            raise ImportError(f"{entry} is outside of {folder}")
        own.add(entry)
        return FileFinder(entry, (ExtensionFileLoader, EXTENSION_SUFFIXES), (SourceLoader, [".py"]))

    paths, modules = [*sys.path], {*sys.modules}
    cached = sys.path_importer_cache.pop(str(folder), None)
    sys.path_hooks.insert(0, finder)
    sys.path.insert(0, str(folder))  # as for a script: files beside it can be imported
    try:
        yield
    finally:
        sys.path[:] = paths
        sys.path_hooks.remove(finder)
        for entry in own:
            sys.path_importer_cache.pop(entry, None)
        if cached is not None:
            sys.path_importer_cache[str(folder)] = cached
        for module in from_source():
            if module.__name__ not in modules:
                sys.modules.pop(module.__name__, None)
