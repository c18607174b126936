"""The name of NanoChat's own repository: one in all files, led elsewhere by one command, and the links made of it."""

import io
import json
import shutil
import subprocess
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from nanochat_helpers import cli, repository
from nanochat_helpers.errors import RepositoryError
from nanochat_helpers.repository import REPOSITORY

ROOT = Path(__file__).parents[1]
NOTEBOOKS = [path for folder in ("notebooks", "exercises") for path in sorted((ROOT / folder).glob("*.ipynb"))]
SOLUTIONS = sorted((ROOT / "solutions").glob("*.ipynb"))


def tracked_files():
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [path for name in listed.split("\0") if name and (path := ROOT / name).is_file()]


def mentioned_in(path):
    return set(repository.mentions(path.read_bytes().decode("utf-8", "replace")))


def contents(folder):
    """Every file of a copy as bytes."""
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def source(path, cell_id):
    cells = json.loads(path.read_text("utf-8"))["cells"]
    return next("".join(cell["source"]) for cell in cells if cell["id"] == cell_id)


@pytest.fixture
def copy(tmp_path):
    """A copy of all files that name the repository."""
    for path in tracked_files():
        if REPOSITORY in mentioned_in(path):
            target = tmp_path / "copy" / path.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target)
    return tmp_path / "copy"


# --- one name


def test_no_other_name_stands_anywhere():
    """Others may be linked; one that ends in /nanochat, or is opened or installed, must be ours."""
    wrong = {}
    for path in tracked_files():
        text = path.read_bytes().decode("utf-8", "replace")
        opened = {name for line in text.splitlines() if "git+" in line or "colab." in line or "mybinder" in line
                  for name in repository.mentions(line)}  # fmt: skip
        ours = opened | {name for name in mentioned_in(path) if name.endswith("/nanochat")}
        wrong |= {path: ours - {REPOSITORY}} if ours - {REPOSITORY} else {}
    assert wrong == {}


def test_a_copy_that_is_renamed_has_nowhere_the_old_name_and_goes_back_byte_by_byte(copy):
    before = contents(copy)
    changed = repository.rewrite(copy, "my-school/nanochat")
    assert {path.relative_to(copy) for path in changed} == before.keys()
    assert [path for path in copy.rglob("*.*") if path.is_file() and REPOSITORY in mentioned_in(path)] == []
    assert repository.name_of_copy(copy) == "my-school/nanochat"
    assert repository.rewrite(copy, "my-school/nanochat") == []
    repository.rewrite(copy, REPOSITORY)
    assert contents(copy) == before


@pytest.mark.parametrize("name", ["s/t", "a/b.c", REPOSITORY + "-2", REPOSITORY + ".old"])
def test_a_short_or_similar_name_goes_back_as_well(copy, name):
    """s/t stands inside tests/test_chat.py, and our own name inside our own name with -2."""
    (copy / "README.md").write_text(f"tests/test_chat.py and https://github.com/{REPOSITORY}.\n", "utf-8")
    before = contents(copy)
    repository.rewrite(copy, name)
    assert (copy / "README.md").read_text("utf-8") == f"tests/test_chat.py and https://github.com/{name}.\n"
    repository.rewrite(copy, REPOSITORY)
    assert contents(copy) == before


@pytest.mark.parametrize("name", ["", "nanochat", "a/b/c", "https://github.com/a/b", "a b/c", "a/..", "-a/b"])
def test_what_is_no_name_changes_nothing(copy, name):
    before = contents(copy)
    with pytest.raises(RepositoryError, match="is no name of a repository: it is OWNER/NAME"):
        repository.rewrite(copy, name)
    assert contents(copy) == before


@pytest.mark.parametrize(
    ("link", "name"),
    [
        ("see https://github.com/{}.", "a/b"),
        ("git@github.com:{}.git", "a/b"),
        ("https://colab.research.google.com/github/{}/blob/main/x.ipynb", "a/b.c"),
        ("https://mybinder.org/v2/gh/{}/main", "a/b"),
        ("git-pull?repo=https%3A%2F%2Fgithub.com%2F{}&branch=main", "a%2Fb"),
        ('REPOSITORY = "{}"', "a/b"),
    ],
)
def test_a_name_is_found_in_every_kind_of_link(link, name):
    assert repository.mentions(link.format(name)) == [name.replace("%2F", "/")]


def test_what_only_looks_like_a_name_is_none():
    assert repository.mentions("read and/or write; notebooks/04_sampling") == []


# --- the command


@pytest.fixture
def run(monkeypatch, capsys):
    def run(*arguments):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO()))
        with pytest.raises(SystemExit) as left:
            cli.main(["repository", *arguments])
        return left.value.code, *capsys.readouterr()

    return run


def test_the_command_says_what_it_changed(copy, run):
    n_files = len(contents(copy))
    code, out, err = run("my-school/nanochat", "--folder", str(copy))
    assert (code, err) == (0, "")
    assert out.count("written: ") == n_files and "written: notebooks/04_sampling.ipynb\n" in out
    assert out.endswith("All links lead to my-school/nanochat.\n")
    assert run("my-school/nanochat", "--folder", str(copy))[1] == "All links lead to my-school/nanochat.\n"


def test_the_command_shows_links_for_a_hub_to_the_repository_of_this_copy(copy, run):
    repository.rewrite(copy, "my-school/nanochat")
    code, out, _ = run("--hub", "https://hub.example.org", "--folder", str(copy))
    assert code == 0
    assert out.count("my-school%2Fnanochat") == len(NOTEBOOKS)
    assert "- [notebooks/04_sampling](https://hub.example.org/hub/user-redirect/git-pull?repo=" in out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nanochat"], "'nanochat' is no name of a repository"),
        (["--folder", "nowhere"], "nowhere is no copy of NanoChat's repository"),
        (["--hub", "hub.example.org"], "'hub.example.org' is no address of a hub"),
    ],
)
def test_a_mistake_is_one_sentence(run, monkeypatch, arguments, words):
    monkeypatch.chdir(ROOT)
    code, _, err = run(*arguments)
    assert code == 2 and err.count("\n") == 1 and words in err


# --- links


@pytest.mark.parametrize("path", [*NOTEBOOKS, *SOLUTIONS], ids=lambda path: str(path.relative_to(ROOT)))
def test_each_notebook_opens_itself_elsewhere(path):
    """A solution is what its sheet is made of, so it opens the sheet."""
    name = f"{path.parent.name.replace('solutions', 'exercises')}/{path.name}"
    links = source(path, "open-elsewhere")
    assert f"]({repository.colab_url(name)})" in links
    assert f"]({repository.binder_url(name)})" in links
    assert (ROOT / name).is_file()


@pytest.mark.parametrize("path", [*NOTEBOOKS, *SOLUTIONS], ids=lambda path: str(path.relative_to(ROOT)))
def test_each_notebook_installs_from_the_repository_where_nanochat_is_missing(path):
    setup = source(path, "setup")
    assert f"@ {repository.install_url()}" in setup
    assert 'if importlib.util.find_spec("nanochat_helpers") is None:\n    ' in setup


def test_a_link_on_a_hub_brings_the_repository_and_opens_the_notebook():
    link = urlsplit(repository.hub_url("https://hub.example.org/", "notebooks/04_sampling.ipynb"))
    asked = {name: values[0] for name, values in parse_qs(link.query).items()}
    assert (link.netloc, link.path) == ("hub.example.org", "/hub/user-redirect/git-pull")
    assert asked["repo"] == repository.github_url()
    assert asked["urlpath"] == f"lab/tree/{asked['targetpath']}/notebooks/04_sampling.ipynb"


def test_a_link_to_a_file_leads_to_the_branch():
    assert repository.github_url("teaching/hub/README.md").endswith(f"{REPOSITORY}/blob/main/teaching/hub/README.md")
    assert repository.codespaces_url().endswith("/" + REPOSITORY)
