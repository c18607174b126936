"""Where Python and its packages lie, and what a warm process is told of the machine: no more than it needs."""

import os
import sys
from collections.abc import Iterable
from pathlib import Path

import nanochat_helpers

PACKAGE = Path(nanochat_helpers.__file__).parent.absolute()


def environment(folder: Path) -> dict[str, str]:
    """What the warm process may know: where Python's packages are, and nothing of the grader's own."""
    kept = ("HOME", "NANOCHAT_CACHE", "HF_HOME", "HF_HUB_CACHE", "XDG_CACHE_HOME")
    one = dict.fromkeys(["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"], "1")
    fixed = {
        "PYTHONPATH": os.pathsep.join([str(PACKAGE.parent), *map(str, _packages())]),
        "PYTHONSAFEPATH": "1",
        "PYTHONHASHSEED": "0",
        "PYTHONDONTWRITEBYTECODE": "1",
        "LC_ALL": "C.UTF-8",
        "HF_HUB_OFFLINE": "1",
        "TMPDIR": str(folder),
        "IPYTHONDIR": str(folder),
    }
    return {**{name: os.environ[name] for name in kept if name in os.environ}, **one, **fixed}


def _packages():
    """The folders of installed packages; not the one in which somebody works."""
    return [Path(each) for each in sys.path if Path(each).name in ("site-packages", "dist-packages")]


def shown_files() -> list[Path]:
    """The files and folders that Python needs."""
    prefixes = {sys.prefix, sys.base_prefix, sys.exec_prefix, "/usr", "/"}  # the whole of one may hold a home, too
    python = [Path(prefix, name) for prefix in sorted(prefixes) for name in ("lib", "lib64")]
    paths = [
        *python,
        Path("/usr/share/zoneinfo"),
        PACKAGE,
        *_packages(),
        Path("/etc/ld.so.cache"),
        Path("/etc/localtime"),
    ]
    return [path.absolute() for path in paths]


def hidden_files(names: Iterable[str]) -> list[Path]:
    """The files of these modules, and what Python keeps of them; of any other copy of this package, all of it.

    An older copy among the installed packages has the same answers in it, perhaps in other modules.
    """
    names, found = list(names), []
    for home in dict.fromkeys([PACKAGE, *_copies()]):
        found += [path for name in names for path in _files_of(name, home)] if home.samefile(PACKAGE) else [home]
    return found


def _copies():
    """Where else a student's code could find this package; also the same files by another way."""
    for folder in shown_files():
        if folder.is_dir() and not folder.is_symlink():
            for pattern in (PACKAGE.name, f"*/*-packages/{PACKAGE.name}"):
                yield from (path for path in folder.glob(pattern) if path.is_dir())


def _files_of(name, home):
    """The file or folder of a module, without importing it."""
    base = home.joinpath(*name.split(".")[1:])
    if base.is_dir():
        return [base]
    return [base.with_suffix(".py"), *base.parent.glob(f"__pycache__/{base.name}.*.pyc")]
