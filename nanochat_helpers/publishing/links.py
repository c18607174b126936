"""Links of a text that moves: where they lead from its new home.

In: Markdown, the folder it was written in, and a function that knows the addresses. Out: Markdown.
"""

import base64
import mimetypes
import posixpath
import re
from collections.abc import Callable
from pathlib import Path

from ..errors import PublishingError
from ..repository import colab_url, github_url

LINK = re.compile(r"(!\[[^\]]*)?\]\((?![a-z]+:|#)([^)\s#]+)(#[^)\s]*)?\)")


def moved_links(
    text: str, home: str, address: Callable[[str], str], picture: Callable[[str], str] | None = None
) -> str:
    """Give each relative link of a Markdown text the address of the file that it means.

    home: the folder of the text in the repository, such as "notebooks". address: path in the repository → link.
    picture: the same for what the text shows, where that is another.
    """

    def moved(found: re.Match) -> str:
        before, path, anchor = found[1] or "", posixpath.normpath(posixpath.join(home, found[2])), found[3] or ""
        link = (picture or address)(path) if before else address(path)
        return f"{before}]({link}{anchor})"

    return LINK.sub(moved, text)


def outside_address(path: str) -> str:
    """Where a file of the repository can be seen from anywhere: a notebook on Colab, all else on GitHub."""
    return colab_url(path) if path.endswith(".ipynb") else github_url(path)


def data_address(file: Path) -> str:
    """A file as an address that holds all of it. Raises PublishingError where it is missing."""
    try:
        data = base64.b64encode(file.read_bytes()).decode()
    except OSError as problem:
        raise PublishingError(f"The picture {file} cannot be read: {problem.strerror or problem}.") from problem
    return f"data:{mimetypes.guess_type(file.name)[0]};base64,{data}"


def relative_address(target: str, page: str) -> str:
    """The link from one page of a site to another; both are paths in the site."""
    return posixpath.relpath(target, posixpath.dirname(page) or ".")


def files_below(folder: Path, *patterns: str) -> list[str]:
    """The paths of the files in a folder that fit a pattern, as they are written in links."""
    found = {path for pattern in patterns for path in folder.glob(pattern) if path.is_file()}
    return sorted(path.relative_to(folder).as_posix() for path in found)
