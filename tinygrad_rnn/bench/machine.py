"""What the machine is, as far as it decides how fast a step is: processor, load, versions, BLAS."""

from __future__ import annotations

import ctypes
import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

import numpy as np

THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)
"""Each is read once, when the library is loaded."""


def environment(threads: int, coretype: str | None) -> dict[str, str]:
    """The variables of a process that runs with so many threads, and with these kernels of OpenBLAS."""
    found = dict.fromkeys(THREAD_VARIABLES, str(threads))
    if coretype:
        found["OPENBLAS_CORETYPE"] = coretype
    found["JAX_PLATFORMS"] = "cpu"
    if threads == 1:
        found["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_cpu_multi_thread_eigen=false".strip()
    return found


def facts(packages: tuple[str, ...] = ()) -> dict[str, Any]:
    """The machine and this process, as plain data. packages: others whose versions count."""
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
    """How many processors this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def load() -> float | None:
    """How many processes have run or waited, on average over the last minute; None where the system does not say."""
    try:
        return os.getloadavg()[0]
    except (AttributeError, OSError):
        return None


def processor() -> str:
    """The processor's name, from wherever the system keeps it."""
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


def blas() -> dict[str, Any]:
    """The BLAS that NumPy was built with, and, where it brings an OpenBLAS along, its kernels and threads.

    "kernels" and "threads" are None where they cannot be asked for: a BLAS of the system, or another one.
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


def _openblas() -> tuple[Any, str]:
    """The OpenBLAS that came with NumPy, and how its functions are called; (None, "") where there is none."""
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


def described(found: dict[str, Any], threads: int) -> str:
    """The facts in a few lines; the last one warns where other programs are running."""
    blas, load = found["blas"], found["load"]
    kernels = f", kernels for {blas['kernels']}" if blas["kernels"] else ""
    others = "".join(f", {name} {version}" for name, version in found["packages"].items())
    running = blas["threads"] or threads
    lines = [
        f"{found['processor']}, {found['cores']} cores, load "
        + ("unknown" if load is None else f"{load:.2f}")
        + f", {found['system']}",
        f"Python {found['python']}, NumPy {found['numpy']} with {blas['name']} {blas['version']}".rstrip()
        + f"{kernels}, {running} thread{'s' if running > 1 else ''}{others}",
    ]
    if load is not None and load > max(0.5, (found["cores"] - threads) / 2):
        lines.append(
            f"The load was {load:.2f} before anything was measured: stop the other programs, and measure again."
        )
    return "\n".join(lines)
