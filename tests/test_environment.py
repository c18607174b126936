"""pyproject.toml, requirements.lock and environment.yml say the same, and pip has put it into this environment."""

import re
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LOCK_TEXT = (ROOT / "requirements.lock").read_text()
INSTALLED_EXTRAS = ("lab", "fast", "remote", "serve", "gui", "grade", "publish", "hub", "dev")  # what start.py sets up
ASKED = [
    Requirement(line)
    for group in (PROJECT["dependencies"], *(PROJECT["optional-dependencies"][extra] for extra in INSTALLED_EXTRAS))
    for line in group
]
PINS = [Requirement(line) for line in LOCK_TEXT.splitlines() if re.match(r"[a-z]", line, re.IGNORECASE)]
MACHINES = [
    {"sys_platform": platform, "platform_system": system, "os_name": os_name, "platform_machine": machine}
    for platform, system, os_name, machine in (
        ("linux", "Linux", "posix", "x86_64"),
        ("linux", "Linux", "posix", "aarch64"),
        ("darwin", "Darwin", "posix", "arm64"),
        ("win32", "Windows", "nt", "AMD64"),
    )
]
PYTHONS = ("3.11.2", "3.11.9", "3.12.1", "3.13.0")  # 3.11.2 is Debian 12's


def pins_for(machine: dict, python: str) -> dict[str, Requirement]:
    """The lock's lines that hold on that machine, by name; two for one package would be a contradiction."""
    where = (
        default_environment() | machine | {"python_full_version": python, "python_version": python.rsplit(".", 1)[0]}
    )
    pins = [pin for pin in PINS if pin.marker is None or pin.marker.evaluate(where)]
    by_name = {canonicalize_name(pin.name): pin for pin in pins}
    assert len(by_name) == len(pins)
    return by_name


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: "-".join(list(machine.values())[::3]))
def test_every_dependency_is_pinned_within_its_range_on_every_machine(machine, python):
    pins = pins_for(machine, python)
    for asked in ASKED:
        pin = pins[canonicalize_name(asked.name)]
        assert asked.specifier.contains(str(pin.specifier).removeprefix("==")), f"{pin} is not {asked}"


def test_the_lock_holds_exact_versions_and_no_address():
    assert all(re.fullmatch(r"==[^*,]+", str(pin.specifier)) and pin.url is None for pin in PINS)
    assert "://" not in LOCK_TEXT
    assert not re.search(r"^\s*-", LOCK_TEXT, re.MULTILINE)


def test_the_lock_brings_no_cuda_package():
    """With a CPU build of torch they would be gigabytes for nothing."""
    assert not [pin.name for pin in PINS if re.match("nvidia|cuda|triton", pin.name)]


def test_the_lock_is_what_these_tests_run_with():
    if Path(sys.prefix) != ROOT / ".venv":
        pytest.skip("not the environment that start.py makes")
    python = ".".join(map(str, sys.version_info[:3]))
    for name, pin in pins_for({}, python).items():
        # torch 2.13.0+cpu is torch 2.13.0: a pin says nothing about the build.
        assert pin.specifier.contains(version(name)), f"{name} {version(name)} is installed, {pin} is pinned"


def test_environment_yml_gives_the_same_with_conda():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    *conda, pip = environment["dependencies"]
    assert "-r requirements.lock" in pip["pip"]
    assert f"-e .[{','.join(INSTALLED_EXTRAS)}]" in pip["pip"]
    python = next(line for line in conda if line.startswith("python=")).removeprefix("python=")
    assert SpecifierSet(PROJECT["requires-python"]).contains(python)
    assert any(known.startswith(python + ".") for known in PYTHONS)
    assert {line.split("=")[0] for line in conda} == {"python", "pip"}, "versions are pinned in the lock only"


def test_start_py_and_environment_yml_use_the_same_cpu_index():
    (index,) = re.findall(r'^CPU_INDEX = "(.+)"', (ROOT / "start.py").read_text(), re.MULTILINE)
    assert (
        f"--extra-index-url {index}"
        in yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"][-1]["pip"]
    )


# Colab's own versions (its published list of August 2026). A floor above one of them would force a restart there.
COLAB = {
    "transformers": "5.15.0", "huggingface_hub": "1.27.0", "torch": "2.11.0", "ipywidgets": "7.7.1",
    "matplotlib": "3.10.0", "numpy": "2.1.3",
}  # fmt: skip


@pytest.mark.parametrize("name", COLAB)
def test_colab_keeps_its_own_versions(name):
    (asked,) = (asked for asked in map(Requirement, PROJECT["dependencies"]) if asked.name == name)
    assert asked.specifier.contains(COLAB[name])


def test_nothing_that_belongs_to_jupyter_itself_is_a_plain_dependency():
    """Colab runs ipykernel 6 and IPython 7 of its own."""
    names = {Requirement(line).name for line in PROJECT["dependencies"]}
    assert not names & {"ipykernel", "ipython", "jupyterlab", "notebook", "nbval"}
