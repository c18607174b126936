"""NanoChat on other people's computers: Binder, Codespaces, a hub's image. Nothing is fetched; the files must agree."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
HUB = ROOT / "teaching" / "hub"
CODESPACE = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text("utf-8"))
FLOORS = {"lab", "fast", "remote", "serve", "gui"}  # what lessons use


def config_environment():
    """What jupyterhub_config.py gives each student's kernel."""
    from traitlets.config import Config

    config = Config()
    exec((HUB / "jupyterhub_config.py").read_text("utf-8"), {"get_config": lambda: config})
    return config.Spawner


def test_a_codespace_is_set_up_and_started_by_start_py():
    assert CODESPACE["updateContentCommand"] == "python3 start.py setup"
    assert CODESPACE["postAttachCommand"].startswith("python3 start.py lab --no-browser")
    assert f"--port={CODESPACE['forwardPorts'][0]}" in CODESPACE["postAttachCommand"]
    assert (ROOT / CODESPACE["customizations"]["codespaces"]["openFiles"][0]).is_file()
    assert re.search(r"python:1-3\.1[123]-", CODESPACE["image"])


def test_a_codespace_has_only_what_its_format_knows():
    known = {"name", "image", "hostRequirements", "updateContentCommand", "postAttachCommand", "forwardPorts",
             "portsAttributes", "customizations"}  # fmt: skip
    assert CODESPACE.keys() == known
    assert set(CODESPACE["hostRequirements"]) <= {"cpus", "memory", "storage"}
    for port in CODESPACE["portsAttributes"].values():
        assert port["onAutoForward"] in {"notify", "openBrowser", "openPreview", "silent", "ignore"}


def test_binder_runs_its_scripts():
    for name in ("postBuild", "start"):
        path = ROOT / ".binder" / name
        assert os.access(path, os.X_OK)
        assert subprocess.run(["bash", "-n", path]).returncode == 0
    assert re.fullmatch(r"python-3\.1[123]\n", (ROOT / ".binder" / "runtime.txt").read_text())


def test_what_binder_does_after_building_is_what_start_py_does(tmp_path):
    """Its script with a `python` that only writes down what it was asked, or answers where it is harmless."""
    fake = tmp_path / "python"
    fake.write_text(
        f'#!/bin/sh\necho "$@" >>"{tmp_path}/asked"\n'
        f'case "$*" in *sys.prefix*) echo "{tmp_path}";; "-c import json"*) exec "{sys.executable}" "$@";; esac\n'
    )
    fake.chmod(0o755)
    environment = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run([ROOT / ".binder" / "postBuild"], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    asked = (tmp_path / "asked").read_text()
    assert re.search(r"pip install .*--index-url https://download.pytorch.org/whl/cpu --no-deps torch==[\d.]+\n", asked)
    assert "models fetch smollm2 minilm" in asked
    settings = json.loads((tmp_path / "share/jupyter/lab/settings/overrides.json").read_text())
    assert "@jupyterlab/notebook-extension:panel" in settings


@pytest.mark.parametrize("path", [ROOT / ".binder" / "postBuild", HUB / "Dockerfile", HUB / "README.md"], ids=str)
def test_what_is_installed_elsewhere_is_what_lessons_use(path):
    (extras,) = re.findall(r"['\"]\.\[([a-z,]+)\]", path.read_text("utf-8"))
    assert set(extras.split(",")) == FLOORS


def test_kubernetes_gives_a_student_what_the_other_hub_gives():
    singleuser = yaml.safe_load((HUB / "values.yaml").read_text("utf-8"))["singleuser"]
    spawner = config_environment()
    assert singleuser["extraEnv"] == {k: v for k, v in spawner.environment.items() if k != "JUPYTER_PATH"}
    assert (singleuser["memory"]["limit"], singleuser["cpu"]["limit"]) == (spawner.mem_limit, spawner.cpu_limit)


def test_the_hubs_files_name_the_same_places():
    readme, service = (HUB / "README.md").read_text("utf-8"), (HUB / "nanochat-warm.service").read_text("utf-8")
    models = config_environment().environment["NANOCHAT_CACHE"]
    for text in (readme, service, (HUB / "Dockerfile").read_text("utf-8")):
        assert f"NANOCHAT_CACHE={models}" in text
    assert f"warm_kernels.py install /run/nanochat/kernels {config_environment().environment['JUPYTER_PATH']}" in readme
    assert "warm_kernels.py serve /run/nanochat/kernels" in service
    for name in re.findall(r"`([\w.-]+\.(?:py|service|yaml))`", readme):
        assert (HUB / name).is_file(), name
