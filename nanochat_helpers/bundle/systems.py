"""The systems that a bundle can serve: which wheels pip may take for each, and which lines of the lock hold there.

Data and pure functions: nothing here runs pip or touches the disk.
"""

import platform
import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from packaging.requirements import Requirement

from ..errors import BundleError

PYTHONS = ("3.11", "3.12", "3.13")
_GLIBC = (*(f"manylinux_2_{minor}" for minor in range(28, 4, -1)), "manylinux2014", "manylinux2010", "manylinux1")


@dataclass(frozen=True)
class System:
    """One kind of computer. platforms: pip's names of the wheels that run on it. markers: what a lock asks about it."""

    name: str
    title: str
    platforms: tuple[str, ...]
    markers: dict[str, str]


def _linux(machine):
    markers = {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix", "platform_machine": machine}
    platforms = (*(f"{name}_{machine}" for name in _GLIBC), f"linux_{machine}")
    return System(f"linux-{machine}", f"Linux ({machine})", platforms, markers)


SYSTEMS = {
    system.name: system
    for system in (
        _linux("x86_64"),
        _linux("aarch64"),
        System(
            "macos-arm64",
            "macOS 14 or newer (Apple silicon)",
            ("macosx_14_0_arm64", "macosx_14_0_universal2"),  # pip knows that older ones run there, too
            {"sys_platform": "darwin", "platform_system": "Darwin", "os_name": "posix", "platform_machine": "arm64"},
        ),
        System(
            "windows-amd64",
            "Windows (64 bit)",
            ("win_amd64",),
            {"sys_platform": "win32", "platform_system": "Windows", "os_name": "nt", "platform_machine": "AMD64"},
        ),
    )
}


def this_system() -> str:
    """The name of the system that runs this. Raises BundleError where NanoChat has no wheels for it."""
    here = {"Linux": "linux", "Darwin": "macos", "Windows": "windows"}.get(platform.system(), platform.system())
    return find_system(f"{here}-{platform.machine().lower()}").name


def this_python() -> str:
    """The version of the Python that runs this, such as "3.12"."""
    return find_python(f"{sys.version_info[0]}.{sys.version_info[1]}")


def find_system(name: str) -> System:
    """The system of this name. Raises BundleError."""
    if name not in SYSTEMS:
        raise BundleError(f"There are no packages for the system {name!r}: take one of {', '.join(SYSTEMS)}.")
    return SYSTEMS[name]


def find_python(version: str) -> str:
    """The version, if NanoChat runs on it. Raises BundleError."""
    if version not in PYTHONS:
        raise BundleError(f"NanoChat does not run on Python {version!r}: take one of {', '.join(PYTHONS)}.")
    return version


def locked_lines(lock: str, system: System, python: str) -> list[list[str]]:
    """The pins of a lock that this system needs, as lists that hold each package once.

    Some pins depend on the last digit of Python's version, and which one a student has is not known: what a 3.12.0
    takes in place of a 3.12.99 makes the second list.
    """
    newest, oldest = (_pins(lock, system, f"{python}.{patch}") for patch in (99, 0))
    return [newest, [pin for pin in oldest if pin not in newest]]


def _pins(lock: str, system: System, full_version: str) -> list[str]:
    environment = system.markers | {
        "python_version": full_version.rpartition(".")[0],
        "python_full_version": full_version,
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
    }
    requirements = (Requirement(line) for line in lock.splitlines() if re.match(r"[\w-]+==", line))
    return [
        f"{requirement.name}{requirement.specifier}"
        for requirement in requirements
        if requirement.marker is None or requirement.marker.evaluate(environment)
    ]


def pip_options(system: System, python: str) -> list[str]:
    """What tells `pip download` to look for this system's wheels, whatever system it runs on."""
    platforms: Iterable[str] = (word for name in system.platforms for word in ("--platform", name))
    abis: Sequence[str] = (f"cp{python.replace('.', '')}", "abi3", "none")
    options = ["--python-version", f"{python}.99", "--implementation", "cp"]
    return [*options, *(word for abi in abis for word in ("--abi", abi)), *platforms]
