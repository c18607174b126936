"""Start a real JupyterHub with teaching/hub/jupyterhub_config.py, and let ten students work on it at once.

In: a folder. Out: what each student's kernel answered, when, and how much memory their processes have of their own.
Used by test_classroom_hub.py and benchmarks/hub.py.
"""

import contextlib
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import websocket
from hub_room import NEW_VIEW, home, make_homes, real_people

from nanochat_helpers.models import cache_dir

ROOT = Path(__file__).parents[1]
CONFIG = ROOT / "teaching" / "hub" / "jupyterhub_config.py"
WARM = ROOT / "teaching" / "hub" / "warm_kernels.py"
# In the environment of the tests, and not in that of a class.
FOR_TESTS_ONLY = [
    f"nbgrader.server_extensions.{name}"
    for name in ("assignment_list", "course_list", "formgrader", "validate_assignment")
]
TEST_CONFIG = """
import sys
load_subconfig({config!r})
# What your own hub says in its own way: addresses, who may log in, how a student's server is started.
c.JupyterHub.bind_url = {url!r}
c.JupyterHub.hub_port = {hub_port}
c.JupyterHub.proxy_class = "jupyterhub.proxy.ConfigurableHTTPProxy"
c.ConfigurableHTTPProxy.command = [sys.executable, "-c", "from configurable_http_proxy.cli import main; main()"]
c.ConfigurableHTTPProxy.api_url = "http://127.0.0.1:{api_port}"
c.ConfigurableHTTPProxy.auth_token = {token!r}
c.JupyterHub.authenticator_class = "dummy"
c.Authenticator.allow_all = True
c.JupyterHub.spawner_class = {spawner!r}
c.SimpleLocalProcessSpawner.home_dir_template = {home!r}
c.Spawner.cmd = [sys.executable, "-P", "-m", "jupyterhub.singleuser"]
c.Spawner.environment |= {environment!r}
c.Spawner.args += {args!r}
c.JupyterHub.services = [{{"name": "class", "api_token": {token!r}}}]
c.JupyterHub.load_roles = [
    {{"name": "class", "services": ["class"], "scopes": ["admin:users", "admin:servers", "tokens"]}}
]
c.JupyterHub.log_level = "WARN"
"""


class Hub:
    """A hub that runs: its address, and the key of the one who looks after it."""

    def __init__(self, folder: Path, port: int, token: str, real: bool):
        self.folder, self.address, self.token, self.real = folder, f"127.0.0.1:{port}", token, real

    def ask(self, path: str, *, method: str = "GET", token: str = "", data: object = None) -> tuple[int, object]:
        """Send one request; return its status and what the JSON in the answer says."""
        request = urllib.request.Request(
            f"http://{self.address}{path}",
            method=method,
            data=None if data is None else json.dumps(data).encode(),
            headers={"Authorization": f"token {token or self.token}"},
        )
        try:
            with OPENER.open(request, timeout=180) as answer:
                status, body = answer.status, answer.read()
        except urllib.error.HTTPError as error:
            status, body = error.code, error.read()
        try:
            return status, json.loads(body or b"null")
        except ValueError:
            return status, body.decode("utf-8", "replace")

    def log(self) -> str:
        return (self.folder / "hub.log").read_text("utf-8", "replace")


OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # never by way of a proxy of this machine


class Student:
    """Somebody who has logged in, with a server and a kernel of their own."""

    def __init__(self, hub: Hub, name: str):
        self.hub, self.name = hub, name
        hub.ask(f"/hub/api/users/{name}", method="POST")
        self.token = hub.ask(f"/hub/api/users/{name}/tokens", method="POST", data={})[1]["token"]

    def start(self) -> None:
        """Start the student's server and a kernel in it."""
        self.hub.ask(f"/hub/api/users/{self.name}/server", method="POST", data={})
        deadline = time.monotonic() + 180
        while not self.hub.ask(f"/hub/api/users/{self.name}")[1]["servers"].get("", {}).get("ready"):
            assert time.monotonic() < deadline, f"{self.name}'s server did not start:\n{self.hub.log()}"
            time.sleep(0.3)
        status, kernel = self.api("kernels", method="POST", data={"name": "python3"})
        assert status == 201, kernel
        self._socket = websocket.create_connection(
            f"ws://{self.hub.address}/user/{self.name}/api/kernels/{kernel['id']}/channels",
            header=[f"Authorization: token {self.token}"],
            timeout=300,
        )
        self.kernel = int(self.run("import os; print(os.getpid())")[0])

    def leave(self) -> None:
        """Close the tab; the kernel stays."""
        self._socket.close()

    def api(self, path: str, **request) -> tuple[int, object]:
        """Ask the student's own server."""
        return self.hub.ask(f"/user/{self.name}/api/{path}", token=self.token, **request)

    def run(self, code: str) -> tuple[str, float]:
        """Run a cell; return what it printed, and the seconds until it first did. An error in it is raised here."""
        request, printed, first, sent = uuid.uuid4().hex, [], 0.0, time.monotonic()
        header = {"msg_id": request, "msg_type": "execute_request", "username": "", "session": "s", "version": "5.3"}
        content = {"code": code, "silent": False, "store_history": True, "allow_stdin": False}
        self._socket.send(
            json.dumps({"header": header, "parent_header": {}, "metadata": {}, "content": content, "channel": "shell"})
        )
        while True:
            message = json.loads(self._socket.recv())
            if message["parent_header"].get("msg_id") != request:
                continue
            kind, content = message["header"]["msg_type"], message["content"]
            if kind == "stream" and content["name"] == "stdout":
                first = first or time.monotonic() - sent
                printed.append(content["text"])
            elif kind == "error":
                raise AssertionError(f"{self.name}: {code[:200]}\n" + "\n".join(content["traceback"]))
            elif kind == "status" and content["execution_state"] == "idle":
                return "".join(printed), first

    def processes(self) -> list[psutil.Process]:
        """The student's server, their kernel, and who stands for the kernel."""
        everybody = psutil.process_iter()
        own = [process for process in everybody if _environment(process).get("JUPYTERHUB_USER") == self.name]
        own = [process for process in own if str(self.hub.folder) in _environment(process).get("JUPYTER_PATH", "")]
        return list({process.pid: process for process in [*own, psutil.Process(self.kernel)]}.values())

    def own_megabytes(self) -> float:
        """The memory that would be free if this student left: what is shared with others is not counted."""
        return sum(process.memory_full_info().uss for process in self.processes()) / 1e6


def _environment(process: psutil.Process) -> dict[str, str]:
    try:
        return process.environ()
    except psutil.Error:  # it has just ended, or belongs to the system
        return {}


def lesson_cells(name: str, *, all_of_it: bool) -> list[str]:
    """The code cells of a lesson; all of it: as "Run all" runs them, with the hidden ones that test the lesson."""
    notebook = json.loads((ROOT / "notebooks" / f"{name}.ipynb").read_text("utf-8"))
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    return [
        "".join(cell["source"]) for cell in cells if all_of_it or "remove-cell" not in cell["metadata"].get("tags", ())
    ]


def together(work, students: list[Student]) -> list:
    """Let all students do the same at the same time; return what each of them got."""
    with ThreadPoolExecutor(len(students)) as pool:
        return list(pool.map(work, students))


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@contextlib.contextmanager
def running_hub(folder: Path, *, warm: bool = True) -> Iterator[Hub]:
    """A hub in this folder, until the block is left; warm: with kernels that share what they import."""
    real, port, token = real_people(), free_port(), secrets.token_hex(16)
    make_homes(folder, real)
    models = folder / "models" if real else cache_dir()
    settings = {
        "config": str(CONFIG), "url": f"http://127.0.0.1:{port}", "hub_port": free_port(), "api_port": free_port(),
        "token": token, "spawner": "jupyterhub.spawner.LocalProcessSpawner" if real else "simple",
        "home": str(home(folder, "{username}")),
        "environment": {
            "NANOCHAT_CACHE": str(models), "PYTHONPATH": str(ROOT), "JUPYTER_PATH": str(folder / "jupyter"),
        },
        "args": [f"--ServerApp.jpserver_extensions={name}=False" for name in FOR_TESTS_ONLY],
    }  # fmt: skip
    (folder / "config.py").write_text(TEST_CONFIG.format(**settings))
    needed = {"models": str(cache_dir()), "paths": [sys.base_prefix, sys.prefix, str(ROOT)]}
    (folder / "needed.json").write_text(json.dumps(needed))
    door = folder / "warm.sock"
    subprocess.run([sys.executable, WARM, "install", door, folder / "jupyter"], check=True)
    serve = f'NANOCHAT_CACHE="{models}" "{sys.executable}" -P "{WARM}" serve "{door}"' if warm else f'touch "{door}"'
    both = f'{serve} & exec "$@"'
    command = ["sh", "-c", both, "sh", sys.executable, "-P", "-m", "jupyterhub", "-f", str(folder / "config.py")]
    if real:
        command = [*NEW_VIEW, sys.executable, str(ROOT / "tests" / "hub_room.py"), str(folder), *command]
    environment = {name: value for name, value in os.environ.items() if name not in ("NANOCHAT_CACHE", "HOME")} | {
        "PYTHONPATH": str(ROOT)
    }
    with (folder / "hub.log").open("w") as log:
        process = subprocess.Popen(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=environment | {"HOME": str(folder)},
        )
        hub = Hub(folder, port, token, real)
        try:
            _wait(hub, process)
            yield hub
        finally:
            _end(process)


def _wait(hub, process):
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError):
            if hub.ask("/hub/api/")[0] == 200 and (hub.folder / "warm.sock").exists():
                return
        time.sleep(0.2)
    raise AssertionError(f"The hub did not start:\n{hub.log()}")


def _end(process):
    """End the hub and whatever it started."""
    family = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
    process.send_signal(signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(10)
    for one in [*family, process]:
        with contextlib.suppress(psutil.Error, ProcessLookupError):
            one.kill()
    process.wait()
