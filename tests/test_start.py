"""start.py on a tiny project of its own: no network, no model, no packages; real Python, venv, pip and kills."""

import ast
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).parents[1]
SPEC = importlib.util.spec_from_file_location("start", ROOT / "start.py")
start = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(start)
posix = pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")

PYPROJECT = """
[build-system]
requires = []
build-backend = "build"
backend-path = ["."]
"""
# The smallest build backend there is. It writes down when it works, and waits where a test asks for it.
BACKEND = """
import os, pathlib, time, zipfile

HERE = pathlib.Path(__file__).parent

def build_editable(folder, config_settings=None, metadata_directory=None):
    note("begin")
    time.sleep(float((HERE / "wait").read_text()) if (HERE / "wait").exists() else 0)
    note("end")
    info, name = "tiny-1.dist-info/", "tiny-1-py3-none-any.whl"
    with zipfile.ZipFile(pathlib.Path(folder, name), "w") as wheel:
        wheel.writestr("tiny.pth", str(HERE))
        wheel.writestr(info + "METADATA", "Metadata-Version: 2.1\\nName: tiny\\nVersion: 1\\n")
        wheel.writestr(info + "WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr(info + "RECORD", "")
    return name

build_wheel = build_editable

def note(word):
    with (HERE / "builds.txt").open("a") as file:
        file.write(word + "\\n")
"""
CLI = """
import os, pathlib, sys

HERE = pathlib.Path(__file__).parents[1]
with (HERE / "calls.txt").open("a") as file:
    file.write(" ".join(sys.argv[1:]) + "\\n")
if (HERE / "fail").exists():
    sys.exit(int((HERE / "fail").read_text()))
if sys.argv[1] == "models":
    cache = pathlib.Path(os.environ.get("NANOCHAT_CACHE") or HERE / "my cache é")
    for name in sys.argv[3:]:
        (cache / name).mkdir(parents=True, exist_ok=True)
        (cache / name / "nanochat.json").touch()
        print(name, "is ready in", cache / name)
"""


class Project:
    """A folder with the real start.py and next to nothing to set up."""

    def __init__(self, folder: Path):
        self.folder = folder
        (folder / "nanochat_helpers").mkdir(parents=True)
        shutil.copy(ROOT / "start.py", folder)
        self.write("pyproject.toml", PYPROJECT)
        self.write("build.py", BACKEND)
        self.write("requirements.lock", "# nothing\n")
        self.write("nanochat_helpers/__init__.py", "")
        self.write("nanochat_helpers/cli.py", CLI)

    def write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text, encoding="utf-8")

    def lines(self, name: str) -> list[str]:
        path = self.folder / name
        return path.read_text().splitlines() if path.exists() else []

    def start(self, *arguments: str, python: str = sys.executable, **environment: str) -> subprocess.Popen:
        # A group of its own, so that a test can kill pip with it. No index, so that nothing can come from outside; and
        # no cache of the person who runs the tests.
        return subprocess.Popen(
            [python, self.folder / "start.py", *arguments],
            env={"PIP_NO_INDEX": "1"} | os.environ | {"NANOCHAT_CACHE": ""} | environment,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        )  # fmt: skip

    def run(self, *arguments: str, code: int = 0, **environment: str) -> tuple[str, str]:
        process = self.start(*arguments, **environment)
        out, err = process.communicate(timeout=120)
        assert process.returncode == code, out + err
        assert "Traceback" not in out + err
        return out, err

    def wait_for(self, condition, seconds: float = 60) -> None:
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, "waited too long"
            time.sleep(0.02)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path / "tiny project")  # a space in the path, as in many a home folder


@pytest.fixture(scope="module")
def ready(tmp_path_factory) -> Project:
    """A project whose first set-up went through."""
    project = Project(tmp_path_factory.mktemp("ready") / "tiny")
    project.run("setup")
    return project


def one_sentence(err: str) -> str:
    assert err.startswith("start.py: ") and err.endswith(".\n") and err.count("\n") == 1, err
    return err


# --- which Python ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [(2, 7, 18), (3, 8, 0), (3, 10, 13), (3, 14, 0), (4, 0, 0)])
def test_a_python_that_does_not_fit_is_told_which_one_does(version):
    with pytest.raises(start.Problem, match=rf"3\.11, 3\.12 or 3\.13, and this is Python {version[0]}\.{version[1]}"):
        start.check_python(version, 64)


@pytest.mark.parametrize("version", [(3, 11, 0), (3, 12, 9), (3, 13, 1)])
def test_the_supported_pythons_are_accepted(version):
    start.check_python(version, 64)


def test_a_32_bit_python_is_refused():
    with pytest.raises(start.Problem, match="64-bit"):
        start.check_python((3, 12, 0), 32)


def test_old_pythons_can_read_the_file():
    """What Python 2.7 has no grammar for would end in a SyntaxError instead of our sentence."""
    source = (ROOT / "start.py").read_text(encoding="ascii")
    too_young = (ast.JoinedStr, ast.NamedExpr, ast.AnnAssign, ast.Nonlocal, ast.YieldFrom, ast.MatMult)
    for node in ast.walk(ast.parse(source)):
        line = getattr(node, "lineno", "?")
        assert not isinstance(node, too_young), f"line {line}: {type(node).__name__}"
        assert not (isinstance(node, ast.Raise) and node.cause), f"line {line}: raise … from"
        assert not any(isinstance(part, ast.Starred) for part in getattr(node, "elts", ())), f"line {line}: [*a, b]"
        if isinstance(node, ast.FunctionDef):
            arguments = node.args.args + node.args.kwonlyargs
            assert not node.args.kwonlyargs and not node.returns and not any(a.annotation for a in arguments), node.name


def old_pythons() -> list[str]:
    """What this machine has of them: on PATH, or kept by pyenv (whose shims on PATH may lead nowhere)."""
    on_path = [shutil.which(f"python{old}") for old in ("2.7", "3.8", "3.9", "3.10")]
    kept = [path for old in ("2.7", "3.8", "3.10") for path in Path.home().glob(f".pyenv/versions/{old}.*/bin/python")]
    return [python for python in on_path if python and "shims" not in python] + [str(python) for python in kept]


@pytest.mark.parametrize("python", old_pythons())
def test_a_real_old_python_says_one_sentence(python):
    done = subprocess.run([python, ROOT / "start.py"], capture_output=True, text=True)
    assert done.returncode == 1
    assert "NanoChat needs Python 3.11" in one_sentence(done.stderr)


# --- the set-up ------------------------------------------------------------------------------------------------------


def test_setup_makes_a_venv_with_the_project_in_it_and_fetches_the_model(ready):
    python = start.PYTHON.replace(str(ROOT), str(ready.folder))
    found = subprocess.check_output(
        [python, "-c", "import nanochat_helpers as n; print(n.__file__)"], cwd="/", text=True
    )
    assert Path(found.strip()) == ready.folder / "nanochat_helpers" / "__init__.py"
    assert ready.lines("calls.txt")[0] == "models fetch smollm2 minilm"


def test_jupyterlab_is_told_not_to_ask(ready):
    settings = json.loads((ready.folder / ".venv/share/jupyter/lab/settings/overrides.json").read_text())
    assert settings == start.LAB_SETTINGS


def test_jupyterlab_leaves_out_what_is_only_here_for_the_tests(ready):
    folder = ready.folder / ".venv/etc/jupyter"
    page, server = (
        json.loads((folder / name).read_text()) for name in ("labconfig/page_config.json", "jupyter_server_config.json")
    )
    assert page["disabledExtensions"] == {"@jupyter/nbgrader": True, "@jupyter-notebook/lab-extension": True}
    parts = server["ServerApp"]["jpserver_extensions"]
    assert parts["nbgrader.server_extensions.formgrader"] is False and not any(parts.values())


def test_a_second_run_starts_no_pip_and_fetches_nothing(ready):
    builds, log = ready.lines("builds.txt"), ready.lines(".venv/setup.log")
    calls = ready.lines("calls.txt")
    out, _ = ready.run("setup", HTTPS_PROXY="http://127.0.0.1:9")
    assert (ready.lines("builds.txt"), ready.lines(".venv/setup.log"), ready.lines("calls.txt")) == (builds, log, calls)
    assert "ready" in out and "1/4" not in out


def test_chat_hands_its_arguments_on(ready):
    ready.run("chat", "Hello there", "--temperature", "0")
    assert ready.lines("calls.txt")[-1] == "chat Hello there --temperature 0"


def test_another_cache_folder_gets_the_model_too(ready, tmp_path):
    before = ready.lines("calls.txt")
    ready.run("setup", NANOCHAT_CACHE=str(tmp_path))
    assert ready.lines("calls.txt") == [*before, "models fetch smollm2 minilm"]


def test_a_model_that_is_gone_is_fetched_again_and_nothing_else_is_done(ready):
    builds, calls = ready.lines("builds.txt"), ready.lines("calls.txt")
    shutil.rmtree(ready.folder / "my cache é" / "minilm")
    out, _ = ready.run("setup")
    assert "smollm2 is ready in" in out
    assert ready.lines("calls.txt") == [*calls, "models fetch smollm2 minilm"]
    assert ready.lines("builds.txt") == builds
    ready.run("setup")
    assert len(ready.lines("calls.txt")) == len(calls) + 1


def test_changed_pins_are_installed_at_the_next_run_into_the_same_venv(project):
    project.run("setup")
    mark = project.folder / ".venv" / "mark"
    mark.touch()
    project.write("requirements.lock", "# changed\n")
    project.run("setup")
    assert project.lines("builds.txt").count("end") == 2
    assert mark.exists()


def test_a_moved_project_gets_a_new_venv(project, tmp_path):
    project.run("setup")
    project.folder = project.folder.rename(tmp_path / "moved")
    out, _ = project.run("setup")
    assert "Making .venv" in out


def test_a_venv_that_lost_its_pyvenv_cfg_is_made_again(project):
    """Its Python still starts, but is the system's own, and pip would install there."""
    project.run("setup")
    (project.folder / ".venv" / "pyvenv.cfg").unlink()
    out, _ = project.run("setup")
    assert "Making .venv" in out


@pytest.mark.parametrize("state", ['{"root": ', "[]", "", "\x00\x00"])
def test_a_state_that_cannot_be_read_counts_as_nothing_done(tmp_path, monkeypatch, state):
    (tmp_path / "state").write_text(state)
    monkeypatch.setattr(start, "STATE", str(tmp_path / "state"))
    assert start.read_state() == {}


@posix
def test_a_venv_whose_python_is_gone_does_not_work(tmp_path, monkeypatch):
    """So it is after an upgrade that took away the Python behind .venv."""
    (tmp_path / "python").symlink_to(tmp_path / "gone")
    monkeypatch.setattr(start, "PYTHON", str(tmp_path / "python"))
    assert not start.venv_works({"root": start.ROOT})


# --- interrupted -----------------------------------------------------------------------------------------------------


def kill_everything(process: subprocess.Popen) -> None:
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


@posix
@pytest.mark.parametrize("progress", [".venv/pyvenv.cfg", ".venv/bin/pip"])
def test_killed_while_making_the_venv_it_carries_on(project, progress):
    process = project.start("setup")
    project.wait_for((project.folder / progress).exists)
    kill_everything(process)
    project.run("setup")
    assert project.lines("calls.txt") == ["models fetch smollm2 minilm"]


@posix
def test_killed_while_pip_is_at_work_it_makes_the_venv_again(project):
    project.write("wait", "60")
    process = project.start("setup")
    project.wait_for(lambda: "begin" in project.lines("builds.txt"))
    kill_everything(process)
    (project.folder / "wait").unlink()
    out, _ = project.run("setup")
    assert "Making .venv" in out
    assert project.lines("calls.txt") == ["models fetch smollm2 minilm"]


@posix
def test_when_only_start_py_is_killed_the_next_run_waits_for_the_pip_it_left(project):
    project.write("wait", "3")
    process = project.start("setup")
    project.wait_for(lambda: "begin" in project.lines("builds.txt"))
    process.kill()
    process.wait()
    out, _ = project.run("setup")
    process.communicate()
    assert "waiting" in out
    assert project.lines("builds.txt") == ["begin", "end"] * 2


@posix
def test_two_setups_at_once_do_the_work_once(project):
    first, second = project.start("setup"), project.start("setup")
    for process in (first, second):
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, out + err
    assert project.lines("builds.txt") == ["begin", "end"]
    assert project.lines("calls.txt") == ["models fetch smollm2 minilm"]


@posix
def test_ctrl_c_is_one_sentence(project):
    project.write("wait", "60")
    process = project.start("setup")
    project.wait_for(lambda: "begin" in project.lines("builds.txt"))
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "carries on" in one_sentence(err)


def test_a_model_that_could_not_be_fetched_is_all_that_the_next_run_fetches(project):
    project.write("fail", "2")
    _, err = project.run("setup", code=1)
    assert "The models are not all there" in one_sentence(err)
    (project.folder / "fail").unlink()
    out, _ = project.run("setup")
    assert "3/4" not in out
    assert project.lines("calls.txt") == ["models fetch smollm2 minilm"] * 2


# --- what can go wrong -----------------------------------------------------------------------------------------------


def test_help_sets_nothing_up(project):
    out, _ = project.run("--help")
    assert all(command in out for command in ("lab", "setup", "test", "chat", "examples:"))
    assert not (project.folder / ".venv").exists()


@pytest.mark.parametrize("arguments", [["stup"], ["setup", "stup"], ["setup", "--stup"]])
def test_a_mistyped_command_is_refused_before_anything_happens(project, arguments):
    _, err = project.run(*arguments, code=2)
    assert "stup'" in one_sentence(err)
    assert not (project.folder / ".venv").exists()


def test_a_package_that_nobody_has_is_one_sentence(project):
    project.write("requirements.lock", "no-such-package==1\n")
    _, err = project.run("setup", code=1)
    assert "no build for this computer" in one_sentence(err)
    assert str(project.folder / ".venv" / "setup.log") in err


def test_a_proxy_that_refuses_is_one_sentence_and_costs_no_venv(project):
    """Here pip really asks port 9 of this machine, where nobody listens."""
    project.write("requirements.lock", "some-package==1\n")
    proxy = {"HTTPS_PROXY": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9"}
    no_other_source = {
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_NO_INDEX": "0",
        "PIP_FIND_LINKS": "",
        "NO_PROXY": "",
        "no_proxy": "",
    }
    _, err = project.run("setup", code=1, **proxy, **no_other_source)
    assert "The proxy refused the connection" in one_sentence(err)
    project.write("requirements.lock", "# nothing\n")
    out, _ = project.run("setup")
    assert "Making .venv" not in out


@posix
def test_a_folder_that_cannot_be_written_is_one_sentence(project):
    (project.folder / ".venv").write_text("a file where the folder should be")
    _, err = project.run("setup", code=1)
    assert "run the same command again" in one_sentence(err)


# What pip 23 to 25 and venv really write (shortened in the middle).
OUTPUTS = {
    "network could not be reached": [
        "WARNING: Retrying (Retry(total=0)) after connection broken by 'NewConnectionError('<pip._vendor"
        ".urllib3.connection.HTTPSConnection object at 0x7f>: Failed to establish a new connection: [Errno -3] "
        "Temporary failure in name resolution')': /simple/torch/\n"
        "ERROR: Could not find a version that satisfies the requirement torch==2.13.0 (from versions: none)\n"
        "ERROR: No matching distribution found for torch==2.13.0\n",
        "pip._vendor.urllib3.exceptions.ReadTimeoutError: HTTPSConnectionPool(host='x', port=443): Read timed out.\n",
        "socket.gaierror: [Errno 11001] getaddrinfo failed\n",
    ],
    "disk is full": [
        "Installing collected packages: torch\n"
        "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device\n",
        "ERROR: Could not install packages due to an OSError: [WinError 112] There is not enough space on the disk\n",
        "OSError: [Errno 122] Disk quota exceeded: '.venv/lib/python3.11/site-packages/torch'\n",
    ],
    "proxy refused": [
        "WARNING: Retrying (Retry(total=1, connect=None)) after connection broken by 'ProxyError('Cannot connect to "
        "proxy.', NewConnectionError('<pip._vendor.urllib3.connection.HTTPSConnection object at 0x7f>: Failed to "
        "establish a new connection: [Errno 111] Connection refused'))': /simple/torch/\n"
        "ERROR: No matching distribution found for torch==2.13.0\n",
        "OSError('Tunnel connection failed: 407 Proxy Authentication Required')\n",
    ],
    "certificate was not accepted": [
        "Could not fetch URL: There was a problem confirming the ssl certificate: HTTPSConnectionPool(host='x', "
        "port=443): (Caused by SSLError(SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED] certificate "
        "verify failed')))\n",
    ],
    "no venv module": [
        "The virtual environment was not created successfully because ensurepip is not\navailable.  On Debian/Ubuntu "
        "systems, you need to install the python3-venv\npackage using the following command.\n",
        "/usr/bin/python3: No module named venv\n",
    ],
    "no build for this computer": [
        "ERROR: Could not find a version that satisfies the requirement torch==2.13.0 (from versions: 2.0.0, 2.2.2)\n"
        "ERROR: No matching distribution found for torch==2.13.0\n",
    ],
    "close what uses it": [
        "ERROR: Could not install packages due to an OSError: [WinError 5] Access is denied: 'x.exe'\n",
        "Error: [Errno 13] Permission denied: '/srv/nanochat/.venv'\n",
    ],
    "Installing failed with 'ERROR: Something new'": ["Collecting x\nERROR: Something new\nmore\n"],
}


@pytest.mark.parametrize(("said", "output"), [(said, output) for said in OUTPUTS for output in OUTPUTS[said]])
def test_what_pip_and_venv_write_becomes_one_sentence_with_what_to_do(said, output):
    sentence = start.explain(output)
    assert said in sentence
    assert "run the same command again" in sentence
    assert ". " not in sentence and "\n" not in sentence


def test_a_full_disk_met_by_start_py_itself_says_so():
    assert "disk is full" in start.explain_os_error(OSError(28, os.strerror(28), "x"))


def test_a_disk_too_full_for_a_venv_says_so(monkeypatch):
    """Then venv only says that a command of its own "returned non-zero exit status 1"."""
    monkeypatch.setattr(start.shutil, "disk_usage", lambda path: SimpleNamespace(free=1_000_000))
    failed = SimpleNamespace(
        returncode=1, stdout="", stderr="Error: Command '[...]' returned non-zero exit status 1.\n"
    )
    monkeypatch.setattr(start.subprocess, "run", lambda *arguments, **options: failed)
    with pytest.raises(start.Problem, match="The disk is full"):
        start.make_venv()


@posix
def test_a_python_without_its_venv_module_says_what_to_install(project, tmp_path):
    """Debian cuts ensurepip off and says so; here a module in its place says it."""
    said = "The virtual environment was not created successfully because ensurepip is not\\navailable."
    (tmp_path / "venv.py").write_text(f"import sys; print({said!r}.replace(chr(92) + 'n', chr(10))); sys.exit(1)")
    _, err = project.run("setup", code=1, PYTHONPATH=str(tmp_path))
    assert "python3-venv" in one_sentence(err)


# --- torch -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def in_a_folder(tmp_path, monkeypatch):
    """Point start.py at a folder with a lock and a .venv that has no torch."""
    (tmp_path / "lock").write_text("numpy==2.4.6\ntorch==2.13.0\n    # via nanochat\ntorchless==1\n")
    monkeypatch.setattr(start, "LOCK", str(tmp_path / "lock"))
    monkeypatch.setattr(start, "VENV", str(tmp_path / ".venv"))
    monkeypatch.setattr(start, "STATE", str(tmp_path / "state"))
    return tmp_path


def test_the_version_of_torch_is_read_from_the_lock(in_a_folder):
    assert start.torch_pin() == "2.13.0"


@pytest.mark.parametrize("folder", ["lib/python3.12/site-packages", "Lib/site-packages"])
@pytest.mark.parametrize("build", ["2.13.0", "2.13.0+cpu"])
def test_either_build_of_torch_will_do(in_a_folder, folder, build):
    (in_a_folder / ".venv" / folder / f"torch-{build}.dist-info").mkdir(parents=True)
    assert start.torch_pin() is None


def test_another_version_of_torch_will_not_do(in_a_folder):
    (in_a_folder / ".venv/lib/python3.12/site-packages/torch-2.12.0.dist-info").mkdir(parents=True)
    assert start.torch_pin() == "2.13.0"


@pytest.fixture
def installs(in_a_folder, monkeypatch):
    """Record what pip would install, on a Linux that reaches the CPU index."""
    calls = []
    monkeypatch.setattr(start, "pip_install", lambda title, arguments, holders: calls.append(arguments))
    monkeypatch.setattr(start, "cpu_index_answers", lambda: True)
    monkeypatch.setattr(sys, "platform", "linux")
    return calls


def test_linux_takes_the_cpu_build_where_its_index_answers(installs):
    start.install_torch("2.13.0", ())
    assert installs == [["--no-deps", "--index-url", start.CPU_INDEX, "torch==2.13.0"]]


@pytest.mark.parametrize(("platform", "answers"), [("linux", False), ("darwin", True), ("win32", True)])
def test_elsewhere_and_without_that_index_pip_does_as_it_is_set_up(installs, monkeypatch, platform, answers):
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(start, "cpu_index_answers", lambda: answers)
    start.install_torch("2.13.0", ())
    assert installs == [["--constraint", start.LOCK, "torch==2.13.0"]]


@pytest.mark.parametrize("whole", [True, False])
def test_after_a_failed_cpu_build_pip_is_asked_only_if_nothing_is_half_installed(installs, monkeypatch, whole):
    def pip_install(title, arguments, holders):
        installs.append(arguments)
        if "--index-url" in arguments:
            if whole:
                start.write_state({"root": start.ROOT})
            raise start.Problem("it failed")

    monkeypatch.setattr(start, "pip_install", pip_install)
    if whole:
        start.install_torch("2.13.0", ())
        assert len(installs) == 2
    else:
        with pytest.raises(start.Problem, match="it failed"):
            start.install_torch("2.13.0", ())


def test_the_cpu_index_is_tried_once_and_quickly(monkeypatch):
    monkeypatch.setattr(start, "CPU_INDEX", "http://127.0.0.1:9/whl/cpu")
    began = time.monotonic()
    assert start.cpu_index_answers() is False
    assert time.monotonic() - began < 6
