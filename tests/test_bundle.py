"""A bundle for a room without internet: what goes into it, what its installer refuses, and that it installs offline."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from nanochat_helpers.bundle import make_bundle
from nanochat_helpers.bundle.project import check_project, copy_project
from nanochat_helpers.bundle.systems import PYTHONS, SYSTEMS, locked_lines, pip_options, this_python, this_system
from nanochat_helpers.bundle.wheels import _wants_cuda, _why
from nanochat_helpers.errors import BundleError

ROOT = Path(__file__).parents[1]
INSTALL = ROOT / "nanochat_helpers" / "data" / "bundle" / "install.py"
LOCK = """
# a comment
always==1.0
    # via something
winonly==2.0 ; sys_platform == 'win32'
backport==3.0 ; python_full_version < '3.12'
patched==1.0 ; python_full_version < '3.11.5'
patched==2.0 ; python_full_version >= '3.11.5'
"""


def offline(command):
    """The command, cut off from every network where this system allows that, and from every proxy."""
    walls = ["unshare", "--map-root-user", "--net"]
    try:
        works = subprocess.run([*walls, "true"], capture_output=True).returncode == 0
    except FileNotFoundError:
        works = False
    return [*walls, *command] if works else command


# --- what each system needs


def test_a_pin_for_another_system_is_left_out():
    assert "winonly==2.0" in locked_lines(LOCK, SYSTEMS["windows-amd64"], "3.12")[0]
    assert "winonly==2.0" not in locked_lines(LOCK, SYSTEMS["linux-x86_64"], "3.12")[0]


def test_both_pins_come_along_where_the_last_digit_of_python_decides():
    assert locked_lines(LOCK, SYSTEMS["macos-arm64"], "3.11") == [
        ["always==1.0", "backport==3.0", "patched==2.0"],
        ["patched==1.0"],
    ]
    assert locked_lines(LOCK, SYSTEMS["macos-arm64"], "3.12") == [["always==1.0", "patched==2.0"], []]


def test_the_real_lock_has_torch_once_for_every_system():
    lock = (ROOT / "requirements.lock").read_text("utf-8")
    for system in SYSTEMS.values():
        for python in PYTHONS:
            pins = locked_lines(lock, system, python)[0]
            assert sum(pin.startswith("torch==") for pin in pins) == 1
            assert len(pins) == len({pin.partition("==")[0] for pin in pins}) > 100


def test_pip_is_asked_for_that_pythons_wheels():
    options = pip_options(SYSTEMS["windows-amd64"], "3.13")
    assert options[:2] == ["--python-version", "3.13.99"]
    assert "cp313" in options and options[-2:] == ["--platform", "win_amd64"]


@pytest.mark.parametrize("wrong", [{"systems": ["amiga"]}, {"pythons": ["3.9"]}])
def test_what_there_are_no_packages_for_is_refused_with_what_there_is(tmp_path, wrong):
    with pytest.raises(BundleError, match=r"take one of .*(windows-amd64|3\.12)"):
        make_bundle(ROOT, tmp_path / "out", **wrong, say=print)
    assert not (tmp_path / "out").exists()


# --- where it goes, and what goes in


def test_a_folder_that_holds_something_else_is_left_alone(tmp_path):
    (tmp_path / "essay.txt").write_text("mine")
    with pytest.raises(BundleError, match="holds something else"):
        make_bundle(ROOT, tmp_path, say=print)
    assert [path.name for path in tmp_path.iterdir()] == ["essay.txt"]


def test_a_bundle_inside_of_the_project_is_refused():
    with pytest.raises(BundleError, match="inside"):
        make_bundle(ROOT, ROOT / "stick", say=print)
    assert not (ROOT / "stick").exists()


def test_a_folder_that_is_no_project_is_named(tmp_path):
    with pytest.raises(BundleError, match="has no notebooks"):
        check_project(tmp_path)


def test_students_get_no_solutions_and_teachers_do(tmp_path):
    copy_project(ROOT, tmp_path / "students", for_teacher=False)
    copy_project(ROOT, tmp_path / "teachers", for_teacher=True)
    students = {path.name for path in (tmp_path / "students").iterdir()}
    assert {"notebooks", "exercises", "start.py"} <= students
    assert not students & {"solutions", "teaching", "tests", ".git", ".venv"}
    assert (tmp_path / "teachers" / "solutions" / "04_sampling.ipynb").is_file()
    assert not list(tmp_path.rglob("__pycache__"))


@pytest.mark.parametrize(
    ("said", "meaning"),
    [
        ("ERROR: [Errno 28] No space left on device", "the disk is full"),
        ("WARNING: NewConnectionError\nERROR: No matching distribution found for a==1", "there is no network"),
        ("ERROR: No matching distribution found for scipy==1.0", "no scipy==1.0"),
        ("ERROR: something new", "pip says 'something new'"),
        ("", "pip says 'nothing'"),
    ],
)
def test_what_pip_says_becomes_one_sentence(said, meaning):
    assert meaning in _why(said)


@pytest.mark.parametrize(
    ("wants", "is_cuda"), [("nvidia-cublas==13 ; platform_system == 'Linux'", True), ("sympy", False)]
)
def test_a_torch_for_graphics_cards_is_recognised_by_what_it_wants(tmp_path, wants, is_cuda):
    with zipfile.ZipFile(tmp_path / "torch-2.13.0-cp312-cp312-manylinux_2_28_x86_64.whl", "w") as wheel:
        wheel.writestr("torch-2.13.0.dist-info/METADATA", f"Name: torch\nRequires-Dist: {wants}\n")
    assert _wants_cuda("torch==2.13.0", "3.12", tmp_path) is is_cuda
    assert not _wants_cuda("torch==2.13.0", "3.13", tmp_path)


# --- the installer


@pytest.fixture
def stick(tmp_path):
    """A bundle without wheels whose start.py only tells what it was given. Its name has a space, as sticks have."""
    folder = tmp_path / "my stick"
    (folder / "nanochat").mkdir(parents=True)
    (folder / "install.py").write_bytes(INSTALL.read_bytes())
    names = ("PIP_NO_INDEX", "PIP_FIND_LINKS", "PIP_CONFIG_FILE")
    (folder / "nanochat" / "start.py").write_text(
        f"import os, sys\nprint(sys.argv[1:], [os.environ.get(name) for name in {names}])\n"
    )
    card = {"lock": "abc", "for": [f"{this_system()} {this_python()}"], "complete": True}
    (folder / "bundle.json").write_text(json.dumps(card))
    return folder


def install(stick, *arguments, home=None):
    environment = os.environ | ({"HOME": str(home), "USERPROFILE": str(home)} if home else {})
    command = [sys.executable, str(stick / "install.py"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=environment)


def test_pip_is_kept_to_the_wheels_on_the_stick(stick, tmp_path):
    done = install(stick, home=tmp_path)
    assert done.returncode == 0, done.stderr
    assert f"['setup'] ['1', '{(stick / 'wheels').as_uri()}', '{os.devnull}']" in done.stdout
    assert "my%20stick" in done.stdout  # pip would cut a path at its spaces
    assert (tmp_path / "nanochat" / "start.py").is_file()


def test_installing_again_carries_on_and_loses_nothing(stick, tmp_path):
    target = tmp_path / "here"
    install(stick, target)
    (target / "start.py").write_text("print('my own')")
    done = install(stick, target)
    assert done.returncode == 0 and "my own" in done.stdout


def test_an_interrupted_copy_is_begun_anew(stick, tmp_path):
    (tmp_path / "here.part").mkdir()
    (tmp_path / "here.part" / "half").write_text("")
    assert install(stick, tmp_path / "here").returncode == 0
    assert not (tmp_path / "here" / "half").exists() and not (tmp_path / "here.part").exists()


def test_a_stick_that_nobody_may_write_to_gives_a_copy_that_can_be_changed(stick, tmp_path):
    (stick / "nanochat" / "start.py").chmod(0o444)
    install(stick, tmp_path / "here")
    assert (tmp_path / "here" / "start.py").stat().st_mode & 0o200


@pytest.mark.parametrize(
    ("card", "said"),
    [
        ({"lock": "abc", "for": ["amiga-68000 3.12"], "complete": True}, "is for amiga-68000 3.12"),
        ({"lock": "abc", "for": [], "complete": False}, "was not finished"),
        (None, "no readable bundle.json"),
    ],
)
def test_a_bundle_that_cannot_serve_is_refused_in_one_sentence(stick, tmp_path, card, said):
    (stick / "bundle.json").write_text("{" if card is None else json.dumps(card))
    done = install(stick, tmp_path / "here")
    assert done.returncode == 2 and said in done.stderr and done.stderr.count("\n") == 1
    assert not (tmp_path / "here").exists()


def test_a_folder_with_somebodys_work_is_left_as_it_is(stick, tmp_path):
    (tmp_path / "essay.txt").write_text("mine")
    done = install(stick, tmp_path)
    assert done.returncode == 2 and "left as it is" in done.stderr


def test_it_installs_with_the_network_off_and_answers(tmp_path):
    """The whole way, with the real packages and the real model."""
    stick, home = tmp_path / "my stick", tmp_path / "home"
    home.mkdir()
    made = subprocess.run(
        [sys.executable, "-m", "nanochat_helpers.cli", "bundle", "--out", str(stick)],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    assert "The bundle is ready" in made.stdout

    nobody = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")
    pip = {"PIP_NO_CACHE_DIR": "1", "PIP_NO_COMPILE": "1"}  # nothing from an earlier day; compiling only takes time
    environment = os.environ | nobody | pip | {"HOME": str(home), "NANOCHAT_CACHE": str(home / "models")}
    python = getattr(sys, "_base_executable", sys.executable)
    done = subprocess.run(offline([python, str(stick / "install.py")]), capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr

    talk = [str(home / "nanochat" / ".venv" / "bin" / "nanochat"), "chat", "What is the capital of France?"]
    said = subprocess.run(
        offline([*talk, "--temperature", "0"]), capture_output=True, text=True, env=environment, cwd=home / "nanochat"
    )
    assert "Paris" in said.stdout, said.stderr
