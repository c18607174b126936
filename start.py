"""Set up NanoChat and start it, with nothing but Python: the first run makes .venv, later runs use it.

Every step is safe to interrupt. .venv/nanochat.json says what is finished; it is taken away before pip changes
anything and written back (aside, then renamed) afterwards, so a .venv without it is never trusted but made again
from pip's own cache. This file must be readable by Python 2.7 (no f-strings), if only to say that it is too old.
"""

from __future__ import print_function

import argparse
import contextlib
import errno
import glob
import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import time

OLDEST, NEWEST = (3, 11), (3, 13)
ROOT = os.path.dirname(os.path.abspath(__file__))
VENV = os.path.join(ROOT, ".venv")
PYTHON = os.path.join(VENV, "Scripts" if os.name == "nt" else "bin", "python.exe" if os.name == "nt" else "python")
# -P: a student's own random.py in the folder where they stand must not shadow Python's.
RUN = [PYTHON, "-P", "-m"]
STATE = os.path.join(VENV, "nanochat.json")
LOG = os.path.join(VENV, "setup.log")
LOCK = os.path.join(ROOT, "requirements.lock")
MODELS = ["smollm2", "minilm"]  # the lessons chat with the first and search with the second
FIRST_LESSON = "notebooks/00_start_here.ipynb"
# On Linux the usual torch brings gigabytes of CUDA packages; this index has builds without them.
CPU_INDEX = "https://download.pytorch.org/whl/cpu"

# What JupyterLab would ask or hide on a first start. It lies in .venv, so nobody's own settings are touched.
LAB_SETTINGS = {
    "@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False},
    "@jupyterlab/notebook-extension:panel": {
        "toolbar": [{"name": "run-all", "command": "notebook:run-all-cells", "label": "Run all", "rank": 34}]
    },
}

# nbgrader is here for the tests, and brings the classic notebook: nobody who opens a lesson should meet their buttons.
LAB_WITHOUT = ("@jupyter/nbgrader", "@jupyter-notebook/lab-extension")
SERVER_WITHOUT = tuple(
    "nbgrader.server_extensions." + name
    for name in ("assignment_list", "course_list", "formgrader", "validate_assignment")
) + ("nbgitpuller", "notebook")

# What pip (or venv) writes when it fails, and what to do about it. The first match counts: after a lost connection
# pip also claims that there is "no matching distribution".
FAILURES = (
    (
        r"No space left on device|\[Errno 28\]|not enough space on the disk|Disk quota exceeded",
        "The disk is full: free about 4 GB",
    ),
    (
        r"ensurepip is not\s+available|No module named '?(venv|ensurepip)",
        "This Python has no venv module: install it (Debian and Ubuntu: sudo apt install python3-venv)",
    ),
    (
        r"ProxyError|Cannot connect to proxy|Tunnel connection failed|Proxy Authentication Required",
        "The proxy refused the connection: correct or remove the proxy settings (HTTPS_PROXY, or pip's)",
    ),
    (
        r"CERTIFICATE_VERIFY_FAILED|SSLCertVerificationError",
        "The network's certificate was not accepted: set PIP_CERT to the certificate file of your school or company",
    ),
    (
        r"NewConnectionError|NameResolutionError|Failed to establish a new connection|getaddrinfo failed"
        r"|Temporary failure in name resolution|Network is unreachable|ConnectTimeoutError|ReadTimeoutError"
        r"|Read timed out|Connection (reset|refused|aborted|broken)|RemoteDisconnected|IncompleteRead",
        "The network could not be reached: connect this computer to the internet",
    ),
    (
        r"No matching distribution found for",
        "A package has no build for this computer ({0} {1}, Python {2}): take Python 3.11 to 3.13 or Colab".format(
            platform.system(), platform.machine(), platform.python_version()
        ),
    ),
    (
        r"Permission denied|Access is denied|WinError (5|32)\b|\[Errno 13\]",
        "A file in .venv could not be changed: close what uses it (JupyterLab, editors), or ask for the right to write",
    ),
)


class Problem(Exception):
    """Something that the person at the keyboard can put right; its text is the sentence they read."""

    code = 1


class Mistake(Problem):
    """A command line that start.py does not understand."""

    code = 2


def check_python(version, bits):
    """Say which Python is needed, if this one is not it."""
    if not OLDEST <= tuple(version[:2]) <= NEWEST:
        raise Problem(
            "NanoChat needs Python 3.11, 3.12 or 3.13, and this is Python {0}.{1}: install one of them "
            "(python.org/downloads) and start again with it, for example: python3.12 start.py".format(*version[:2])
        )
    if bits < 64:
        raise Problem("NanoChat needs a 64-bit Python, and this one has 32 bits: install one from python.org/downloads")


def explain(output):
    """Turn the output of a failed pip or venv into one sentence."""
    for pattern, sentence in FAILURES:
        if re.search(pattern, output):
            return sentence + ", then run the same command again"
    errors = [line for line in output.splitlines() if line.lower().startswith("error")] or output.splitlines() or ["?"]
    return "Installing failed with '{0}': put that right, then run the same command again".format(errors[-1].strip())


def explain_os_error(error):
    """Turn an error of the operating system into one sentence."""
    return explain("Error: {0} {1}".format(error, "Disk quota exceeded" if error.errno == errno.EDQUOT else ""))


# --- what is finished ------------------------------------------------------------------------------------------------


def read_state():
    """Return what .venv/nanochat.json says is finished; nothing, where it cannot be read."""
    try:
        with open(STATE) as file:
            state = json.load(file)
    except (OSError, ValueError):
        return {}
    return state if isinstance(state, dict) else {}


def write_state(state):
    """Write .venv/nanochat.json whole or not at all."""
    with open(STATE + ".new", "w") as file:
        json.dump(state, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(STATE + ".new", STATE)


def packages_key():
    """Return a fingerprint of everything that says what belongs into .venv."""
    digest = hashlib.sha256()
    for name in ("requirements.lock", "pyproject.toml", "start.py"):
        with open(os.path.join(ROOT, name), "rb") as file:
            digest.update(file.read())
    return digest.hexdigest()


def models_key():
    """Return which models belong into which cache: another cache folder has to be filled, too."""
    return " ".join(MODELS) + " in " + os.environ.get("NANOCHAT_CACHE", "")


def models_are_there(state):
    """Tell whether the models are fetched for this cache folder, and nobody has emptied that since."""
    marks = [os.path.join(folder, "nanochat.json") for folder in state.get("folders") or [""]]
    return state.get("models") == models_key() and all(map(os.path.isfile, marks))


def venv_works(state):
    """Tell whether .venv was made here (its scripts hold full paths) and its Python starts and belongs to it."""
    if state.get("root") != ROOT or not os.path.isfile(PYTHON):
        return False
    # Without its pyvenv.cfg it would be the system's own Python, and pip would install there.
    question = [PYTHON, "-I", "-c", "import sys; sys.exit(sys.prefix == sys.base_prefix)"]
    return subprocess.call(question, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) == 0


# --- the stages of a set-up ------------------------------------------------------------------------------------------


@contextlib.contextmanager
def one_at_a_time():
    """Hold the set-up to one process; yield the file descriptors that hold it.

    The system frees the lock when its last holder ends, so a kill leaves none behind. pip inherits it: where only
    this script was killed, the next run waits for the pip that is still at work.
    """
    if os.name == "nt":
        yield ()  # there, files in use are locked anyway
        return
    import fcntl

    with open(os.path.join(ROOT, ".setup.lock"), "a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("Another set-up is still at work here; waiting for it.")
            fcntl.flock(file, fcntl.LOCK_EX)
        except OSError:
            pass  # a network folder without locks: two set-ups at once are unlikely enough
        yield (file.fileno(),)


def watch(title, command, holders):
    """Run a command with its output in the log; show how long it takes; return its exit code and output."""
    started, live = time.time(), sys.stdout.isatty()
    print(title, end="", flush=True)
    # PIP_USER: whatever pip is told elsewhere, it installs into .venv.
    environment = dict(os.environ, PIP_USER="0", PIP_NO_INPUT="1", PIP_DISABLE_PIP_VERSION_CHECK="1")
    with open(LOG, "ab+") as log:
        log.write("\n$ {0}\n".format(" ".join(command)).encode())
        log.flush()
        begin = log.tell()
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=holders, env=environment
        )
        try:
            while process.poll() is None:
                time.sleep(0.2)
                if live:
                    print("\r{0}  {1:.0f} s".format(title, time.time() - started), end="", flush=True)
        finally:
            process.poll() is None and process.kill()
            process.wait()
            print("{0}  {1:.0f} s".format("\r" + title if live else "", time.time() - started), flush=True)
        log.seek(begin)
        return process.returncode, log.read().decode("utf-8", "replace")


def pip_install(title, arguments, holders):
    """Install with .venv's pip, or say in one sentence why not."""
    if os.path.exists(STATE):
        os.remove(STATE)
    command = [PYTHON, "-Iu", "-m", "pip", "install", "--progress-bar", "off", "--retries", "2"]
    code, output = watch(title, command + arguments, holders)
    if code == 0 or "Installing collected packages" not in output:
        write_state({"root": ROOT})  # .venv is whole: all went well, or nothing was begun
    if code:
        raise Problem(explain(output) + " (details: {0})".format(LOG))


def make_venv():
    """Make .venv, over whatever is left of an older one."""
    print("1/4 Making .venv", flush=True)
    # Started from inside .venv, the Python that runs this is about to be removed: take the one behind it.
    base = getattr(sys, "_base_executable", None) or sys.executable
    done = subprocess.run(
        [base, "-m", "venv", "--clear", VENV], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if done.returncode:
        full = shutil.disk_usage(ROOT).free < 50 * 2**20  # venv keeps this reason to itself
        raise Problem(explain(done.stdout + done.stderr + ("No space left on device" if full else "")))
    write_state({"root": ROOT})


def cpu_index_answers():
    """Try once, quickly, whether the index of CPU builds can be reached."""
    import urllib.request

    try:
        request = urllib.request.Request(CPU_INDEX + "/torch/", method="HEAD")
        return urllib.request.urlopen(request, timeout=5).status == 200
    except (OSError, ValueError):  # ValueError: a proxy setting that is no address
        return False


def torch_pin():
    """Return the lock's version of torch, where .venv has not got it yet."""
    with open(LOCK) as file:
        pin = re.search(r"^torch==([^\s;]+)", file.read(), re.MULTILINE)
    if not pin:
        return None
    # It is torch-2.13.0+cpu.dist-info in one build and torch-2.13.0.dist-info in another.
    folders = (os.path.join("lib", "python3*"), "Lib")
    names = [os.path.join(VENV, folder, "site-packages", "torch-" + pin.group(1) + "*.dist-info") for folder in folders]
    return None if any(glob.glob(name) for name in names) else pin.group(1)


def install_torch(version, holders):
    """Install torch first and on its own: the packages of the lock are content with any build of it."""
    title, torch = "2/4 Installing torch " + version, "torch==" + version
    offline = os.environ.get("PIP_NO_INDEX")  # everything lies in a folder, as in a room without internet
    if sys.platform == "linux" and not offline and cpu_index_answers():
        try:  # without dependencies: the index has not all of them, but the lock does
            pip_install(title + " (CPU build)", ["--no-deps", "--index-url", CPU_INDEX, torch], holders)
            return
        except Problem:
            if not read_state():
                raise  # it broke off in the middle of installing
    pip_install(title, ["--constraint", LOCK, torch], holders)


def install_packages(holders):
    """Install what the lock pins, and the project itself."""
    pip_install("3/4 Installing packages", ["--no-deps", "-r", LOCK], holders)
    # Without isolation: setuptools is among the pinned packages, and need not be fetched once more.
    pip_install("3/4 Installing NanoChat", ["--no-deps", "--no-build-isolation", "-e", ROOT], holders)
    set_up_lab()


def set_up_lab():
    """Write JupyterLab's settings into .venv: its defaults, and what of the other packages it leaves out."""
    unwanted = {"disabledExtensions": dict.fromkeys(LAB_WITHOUT, True)}
    parts = dict.fromkeys(SERVER_WITHOUT, False)
    for place, content in (
        (("share", "jupyter", "lab", "settings", "overrides.json"), LAB_SETTINGS),
        (("etc", "jupyter", "labconfig", "page_config.json"), unwanted),
        (("etc", "jupyter", "jupyter_server_config.json"), {"ServerApp": {"jpserver_extensions": parts}}),
    ):
        path = os.path.join(VENV, *place)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as file:
            json.dump(content, file, indent=1)


def fetch_models(holders):
    """Fetch and convert the models, and return their folders; progress and errors are the command's own."""
    print("4/4 Fetching the models", flush=True)
    done = subprocess.run(
        RUN + ["nanochat_helpers.cli", "models", "fetch"] + MODELS,
        stdout=subprocess.PIPE,
        pass_fds=holders,
        env=dict(os.environ, PYTHONIOENCODING="utf-8"),
        check=False,
    )
    sys.stdout.buffer.write(done.stdout)  # as it came: this terminal may not know all of its letters
    sys.stdout.flush()
    if done.returncode:
        raise Problem("The models are not all there yet: see the line above, then run the same command again")
    lines = done.stdout.decode("utf-8", "replace").splitlines()
    return [line.rpartition(" is ready in ")[2] for line in lines if " is ready in " in line]


def set_up():
    """Do what is not done yet: nothing at all, on most days."""
    packages = packages_key()

    def is_ready(state):
        return state.get("packages") == packages and models_are_there(state) and venv_works(state)

    if is_ready(read_state()):
        return
    with one_at_a_time() as holders:
        state = read_state()  # another set-up may just have finished
        if is_ready(state):
            return
        if not venv_works(state):
            make_venv()
            state = {}
        if state.get("packages") != packages:
            if torch_pin():
                install_torch(torch_pin(), holders)
            install_packages(holders)
            write_state({"root": ROOT, "packages": packages})
        folders = fetch_models(holders)
        write_state({"root": ROOT, "packages": packages, "models": models_key(), "folders": folders})


# --- the commands ----------------------------------------------------------------------------------------------------


def hand_over(command):
    """Become that command, so that its output, its exit code and Ctrl-C are its own."""
    sys.stdout.flush()
    if os.name != "nt":
        os.execv(command[0], command)
    process = subprocess.Popen(command)
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:  # it reached the command as well, which ends in its own way
            continue


def browser_here():
    """Tell whether there is a browser with a window."""
    import webbrowser

    if sys.platform == "linux" and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return False  # a text browser would take the terminal
    try:
        webbrowser.get()
    except webbrowser.Error:
        return False
    return True


def run_lab(arguments):
    """Open JupyterLab on the first lesson."""
    os.chdir(ROOT)
    command = RUN + ["jupyterlab", "--log-level=WARN", "--ServerApp.answer_yes=True"]
    if os.path.exists(os.path.join(ROOT, FIRST_LESSON)):
        command += ["--LabApp.default_url=/lab/tree/" + FIRST_LESSON]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command += ["--allow-root"]
    if not browser_here():
        command += ["--no-browser"]
        print("No browser was found here: open the http address below in one.")
    print("Starting JupyterLab; Ctrl-C in this window ends it.")
    return hand_over(command + arguments)


def run_checks(arguments):
    """Run every check."""
    os.chdir(ROOT)
    return hand_over([PYTHON, os.path.join("tests", "run_checks.py")] + arguments)


def run_chat(arguments):
    """Chat in the terminal."""
    return hand_over(RUN + ["nanochat_helpers.cli", "chat"] + arguments)


def say_ready(_):
    """Tell what can be done now."""
    print("NanoChat is ready: python start.py opens the lessons, python start.py chat talks in the terminal.")
    return 0


COMMANDS = {"lab": run_lab, "setup": say_ready, "test": run_checks, "chat": run_chat}


def parse(argv):
    """Return the command and what is meant for the program behind it; refuse what cannot be meant."""
    parser = argparse.ArgumentParser(
        prog="start.py",
        usage="python start.py [lab | setup | test | chat] [options of that program]",
        description="Sets up NanoChat in .venv (once; it carries on where it was interrupted), then starts it.",
        epilog="examples: python start.py | python start.py lab --port 9999 | python start.py test -k sampling",
    )
    parser.add_argument(
        "command",
        nargs="?",
        default="lab",
        help="lab: JupyterLab on the first lesson (if nothing is said); setup: only set up; "
        "test: run every check; chat: chat in the terminal",
    )
    options, rest = parser.parse_known_args(argv)
    if options.command not in COMMANDS:
        raise Mistake("There is no command '{0}': take lab, setup, test or chat".format(options.command))
    if options.command == "setup" and rest:
        raise Mistake("setup takes nothing more, and was given '{0}': leave that out".format(" ".join(rest)))
    return options.command, rest


def main(argv=None):
    """Run the command line; return the exit code."""
    code = 1
    try:
        check_python(sys.version_info, 64 if sys.maxsize > 2**32 else 32)
        command, rest = parse(argv)
        set_up()
        return COMMANDS[command](rest)
    except Problem as problem:
        message, code = str(problem), problem.code
    except KeyboardInterrupt:
        message = "Stopped: run the same command again and it carries on"
    except OSError as error:
        message = explain_os_error(error)
    sys.stderr.write("start.py: " + message + ".\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
