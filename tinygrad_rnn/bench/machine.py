"""Facts that decide the speed of a step on this machine: processor, load, versions, BLAS."""

from __future__ import annotations

import ctypes
import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_rnn.core.counting import counted

THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)
"""The variables that set the number of threads. A library reads its variable once, when it is loaded."""


Facts = dict[str, Any]
"""Plain data, as it is written into JSON."""


def environment(threads: int, coretype: str | None) -> dict[str, str]:
    """Return the variables of a process that runs with that number of threads and these kernels of OpenBLAS."""
    found = dict.fromkeys(THREAD_VARIABLES, str(threads))
    if coretype:
        found["OPENBLAS_CORETYPE"] = coretype
    found["JAX_PLATFORMS"] = "cpu"
    if threads == 1:
        found["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_cpu_multi_thread_eigen=false".strip()
    return found


def facts(packages: tuple[str, ...] = ()) -> Facts:
    """Return the facts about this machine and process, as plain data. packages: others to give the versions of."""
    return {
        "processor": processor(),
        "cores": cores(),
        "load": load(),
        "system": platform.platform(terse=True),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "blas": blas(),
        "packages": {name: _version(name) for name in packages},
    }


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "of unknown version"


def cores() -> int:
    """Return the number of processors that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def load() -> float | None:
    """Return the average number of running and waiting processes in the last minute; None where it is not known."""
    try:
        return os.getloadavg()[0]
    except (AttributeError, OSError):
        return None


def processor() -> str:
    """Return the name of the processor, as the system has it."""
    try:
        if platform.system() == "Darwin":
            command = ["sysctl", "-n", "machdep.cpu.brand_string"]
            return subprocess.run(command, capture_output=True, text=True, check=True, timeout=5).stdout.strip()
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except (OSError, subprocess.SubprocessError):
        pass
    return platform.processor() or platform.machine()


def blas() -> Facts:
    """Return the BLAS that NumPy was built with, and the kernels and threads of an OpenBLAS that came with NumPy.

    "kernels" and "threads" are None for any other BLAS, which cannot be asked.
    """
    config: Any = np.show_config(mode="dicts")
    built = config.get("Build Dependencies", {}).get("blas", {})
    found = {
        "name": built.get("name", "unknown"),
        "version": built.get("version", ""),
        "kernels": None,
        "threads": None,
    }
    library, ask = _openblas()
    if library is not None:
        kernels = getattr(library, ask.format("get_corename"))
        kernels.restype = ctypes.c_char_p
        found["kernels"] = kernels().decode("ascii", "replace")
        found["threads"] = getattr(library, ask.format("get_num_threads"))()
    return found


def _openblas() -> tuple[ctypes.CDLL | None, str]:
    """Return the OpenBLAS that came with NumPy and the form of its functions' names; (None, "") where there is none."""
    package = Path(np.__file__).parent
    for folder in (package.parent / "numpy.libs", package / ".dylibs"):
        for path in sorted(folder.glob("*openblas*")):
            try:
                library = ctypes.CDLL(str(path))
            except OSError:
                continue
            for name in ("scipy_openblas_{}64_", "scipy_openblas_{}", "openblas_{}64_", "openblas_{}"):
                if hasattr(library, name.format("get_corename")):
                    return library, name
    return None, ""


def described(found: Facts, threads: int) -> str:
    """Return the facts in a few lines; the last one warns where other programs are running."""
    blas, load = found["blas"], found["load"]
    kernels = f", kernels for {blas['kernels']}" if blas["kernels"] else ""
    others = "".join(f", {name} {version}" for name, version in found["packages"].items())
    running = blas["threads"] or threads
    lines = [
        f"{found['processor']}, {found['cores']} cores, load "
        + ("unknown" if load is None else f"{load:.2f}")
        + f", {found['system']}",
        f"Python {found['python']}, NumPy {found['numpy']} with {blas['name']} {blas['version']}".rstrip()
        + f"{kernels}, {counted(running, 'thread')}{others}",
    ]
    if load is not None and load > max(0.5, (found["cores"] - threads) / 2):
        lines.append(
            f"The load was {load:.2f} before anything was measured: stop the other programs, and measure again."
        )
    return "\n".join(lines)
