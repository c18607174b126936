"""Where NanoChat's own repository is: its name stands here, and everything that needs it takes it from here.

In: a file of the repository, or a new name. Out: a link to that file, or the whole copy rewritten to the new name.
Nothing is fetched, pushed or renamed: that is for git.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, urlencode

from .errors import RepositoryError

__all__ = [
    "BRANCH", "FOLDER", "REPOSITORY", "binder_url", "codespaces_url", "colab_url", "github_url", "hub_links", "hub_url",
    "install_url", "mentions", "name_of_copy", "rewrite",
]  # fmt: skip

REPOSITORY = "nanochat-course/nanochat"
BRANCH = "main"
FOLDER = "nanochat"  # what a student's copy on a hub is called, whatever the repository is

NAME = r"[A-Za-z0-9](?:-?[A-Za-z0-9]){0,38}/[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*"
# A name counts only where a link or the line above says that it is one: "and/or" is no repository.
BEFORE = r"(?:github\.com[/:]|/github/|/gh/|github\.com%2F|codespaces\.new/|^REPOSITORY = \")"
HOME = Path("nanochat_helpers/repository.py")
PLACES = (
    "README.md", "*.yml", ".binder", ".devcontainer", "notebooks", "exercises", "solutions", "space", "teaching",
    "nanochat_helpers", "tests", "benchmarks",
)  # fmt: skip
TEXTS = {".ipynb", ".md", ".py", ".txt", ".json", ".yml", ".yaml", ".html", ".toml", ".sh", ""}


# --- links


def github_url(path: str = "") -> str:
    """The page of the repository, or of one of its files."""
    return f"https://github.com/{REPOSITORY}" + (f"/blob/{BRANCH}/{quote(path)}" if path else "")


def install_url() -> str:
    """What pip installs the package from."""
    return f"git+https://github.com/{REPOSITORY}"


def colab_url(notebook: str) -> str:
    """Opens a notebook on Google's Colab; `notebook` is its path, such as "notebooks/04_sampling.ipynb"."""
    return f"https://colab.research.google.com/github/{REPOSITORY}/blob/{BRANCH}/{quote(notebook)}"


def binder_url(notebook: str) -> str:
    """Opens a notebook on mybinder.org."""
    return f"https://mybinder.org/v2/gh/{REPOSITORY}/{BRANCH}?urlpath={quote('lab/tree/' + notebook, safe='')}"


def codespaces_url() -> str:
    """Opens the repository as a GitHub Codespace."""
    return f"https://codespaces.new/{REPOSITORY}"


def hub_url(hub: str, notebook: str, repository: str = REPOSITORY) -> str:
    """Opens a notebook on a JupyterHub: nbgitpuller first brings the student's copy up to date.

    `hub` is the hub's own address, such as "https://hub.example.org".
    """
    if not re.match(r"https?://[^/\s]+", hub):
        raise RepositoryError(f"{hub!r} is no address of a hub: it begins with https://, like https://hub.example.org.")
    asked = {
        "repo": f"https://github.com/{repository}",
        "branch": BRANCH,
        "targetpath": FOLDER,
        "urlpath": f"lab/tree/{FOLDER}/{notebook}",
    }
    return f"{hub.rstrip('/')}/hub/user-redirect/git-pull?{urlencode(asked)}"


def hub_links(hub: str, folder: Path) -> str:
    """A list in Markdown with a link for each lesson and sheet of a copy: for a course page."""
    repository = name_of_copy(folder)
    notebooks = [path for place in ("notebooks", "exercises") for path in sorted((folder / place).glob("[0-9]*.ipynb"))]
    names = [path.relative_to(folder).as_posix() for path in notebooks]
    return "\n".join(f"- [{name.removesuffix('.ipynb')}]({hub_url(hub, name, repository)})" for name in names)


# --- another name


def name_of_copy(folder: Path) -> str:
    """The name that a copy of the repository has now. Raises RepositoryError where there is no copy."""
    path = folder / HOME
    found = re.search(rf'^REPOSITORY = "({NAME})"', path.read_text("utf-8"), re.MULTILINE) if path.is_file() else None
    if not found:
        raise RepositoryError(
            f"{folder} is no copy of NanoChat's repository ({HOME} is missing, or names none): run this in the folder "
            "that holds the notebooks, or name that folder with --folder."
        )
    return found[1]


def mentions(text: str) -> list[str]:
    """All names of repositories that stand in a text as a link, or as what is above."""
    found = re.finditer(rf"{BEFORE}({NAME}|{NAME.replace('/', '%2F')})", text, re.MULTILINE)
    return [match[1].replace("%2F", "/").removesuffix(".git") for match in found]


def rewrite(folder: Path, name: str) -> list[Path]:
    """Give a copy of the repository another name, wherever the old one stands; return the files that changed.

    Where the old name does not stand, no byte changes: a second time, the list is empty.
    """
    if not re.fullmatch(NAME, name) or name.endswith(".git"):
        raise RepositoryError(
            f"{name!r} is no name of a repository: it is OWNER/NAME, as at the end of its address on GitHub, "
            f"such as {REPOSITORY}."
        )
    old = name_of_copy(folder)
    changed = []
    for path in _texts(folder) if name != old else ():
        before = path.read_bytes()
        after = _renamed(before.decode("utf-8", "surrogateescape"), old, name).encode("utf-8", "surrogateescape")
        if after != before:
            path.write_bytes(after)
            changed.append(path)
    return changed


def _renamed(text: str, old: str, new: str) -> str:
    for way in (str, lambda name: name.replace("/", "%2F")):
        text = re.sub(
            rf"({BEFORE}){re.escape(way(old))}(?![\w-]|\.(?!git\b)\w)",
            lambda found, way=way: found[1] + way(new),
            text,
            flags=re.MULTILINE,
        )
    return text


def _texts(folder: Path) -> Iterator[Path]:
    for place in PLACES:
        for top in sorted(folder.glob(place)):
            files = [top] if top.is_file() else sorted(top.rglob("*"))
            yield from (path for path in files if _is_text(path.relative_to(folder)) and path.is_file())


def _is_text(path: Path) -> bool:
    return path.suffix in TEXTS and not {"__pycache__", ".ipynb_checkpoints", "node_modules"} & set(path.parts)
