"""Links of a text that moves: where they lead from its new home.

In: Markdown, the folder it was written in, and a function that knows the addresses. Out: Markdown.
"""

import posixpath
import re
from collections.abc import Callable
from pathlib import Path

from ..repository import colab_url, github_url

LINK = re.compile(r"(!\[[^\]]*)?\]\((?![a-z]+:|#)([^)\s#]+)(#[^)\s]*)?\)")


def moved_links(text: str, home: str, address: Callable[[str], str], *, pictures: bool = True) -> str:
    """Give each relative link of a Markdown text the address of the file that it means.

    home: the folder of the text in the repository, such as "notebooks". address: path in the repository → link.
    pictures: also those that the text shows.
    """

    def moved(found: re.Match) -> str:
        picture, path, anchor = found[1] or "", found[2], found[3] or ""
        if picture and not pictures:
            return found[0]
        return f"{picture}]({address(posixpath.normpath(posixpath.join(home, path)))}{anchor})"

    return LINK.sub(moved, text)


def outside_address(path: str) -> str:
    """Where a file of the repository can be seen from anywhere: a notebook on Colab, all else on GitHub."""
    return colab_url(path) if path.endswith(".ipynb") else github_url(path)


def relative_address(target: str, page: str) -> str:
    """The link from one page of a site to another; both are paths in the site."""
    return posixpath.relpath(target, posixpath.dirname(page) or ".")


def files_below(folder: Path, *patterns: str) -> list[str]:
    """The paths of the files in a folder that fit a pattern, as they are written in links."""
    found = {path for pattern in patterns for path in folder.glob(pattern) if path.is_file()}
    return sorted(path.relative_to(folder).as_posix() for path in found)
