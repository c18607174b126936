"""With Colab's own versions: a lesson's set-up cell installs NanoChat and leaves them alone, and lessons run."""

import os
import subprocess
import sys
from importlib.metadata import distributions
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from nanochat_helpers.repository import install_url

ROOT = Path(__file__).parents[2]
OURS = ("nanochat-helpers", "nanochat_helpers")


def installed():
    return {one.name: one.version for one in distributions(path=[p for p in sys.path if "site-packages" in p])}


def run(cells, folder, **environment):
    """Run cells in a kernel in which only what is installed can be imported; what they print."""
    notebook = nbformat.v4.new_notebook(cells=cells)
    client = NotebookClient(notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(folder)}})
    client.execute(env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | environment)
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    return "".join(output.get("text", "") for output in outputs)


def cell(lesson, cell_id):
    notebook = nbformat.read(ROOT / "notebooks" / f"{lesson}.ipynb", 4)
    return next(cell for cell in notebook.cells if cell.id == cell_id)


@pytest.fixture(scope="module")
def nanochat_installed_by_a_lesson(tmp_path_factory):
    """Run a set-up cell where NanoChat is missing; this repository, as it was committed, stands in for GitHub's."""
    folder = tmp_path_factory.mktemp("colab")
    before = installed()
    assert not set(OURS) & before.keys()
    setup = cell("04_sampling", "setup")
    assert install_url() in setup.source
    setup.source = setup.source.replace(install_url(), f"git+{ROOT.as_uri()}")
    look = nbformat.v4.new_code_cell("import nanochat_helpers; print('from', nanochat_helpers.__file__)")
    # All else has to be there already: with Colab's versions, pip may have no reason to fetch anything.
    said = run([setup, look], folder, PIP_NO_INDEX="1", PIP_NO_BUILD_ISOLATION="0")
    yield before, said
    subprocess.run([sys.executable, "-m", "pip", "uninstall", "-q", "-y", OURS[0]], check=True)


def test_the_set_up_cell_installs_nanochat_and_leaves_colabs_versions_alone(nanochat_installed_by_a_lesson):
    before, said = nanochat_installed_by_a_lesson
    assert f"from {sys.prefix}" in said
    after = installed()
    assert {name: version for name, version in after.items() if before.get(name) != version}.keys() <= set(OURS)
    assert before["ipywidgets"] == "7.7.1" and before["transformers"] == "5.15.0" and before["ipython"] == "7.34.0"


@pytest.mark.parametrize("lesson", ["01_tokenization", "04_sampling"])
def test_a_lesson_runs_from_its_set_up_to_its_end(lesson, nanochat_installed_by_a_lesson, tmp_path, smollm2_files):
    """Beside the notebook is nothing, as on Colab."""
    notebook = nbformat.read(ROOT / "notebooks" / f"{lesson}.ipynb", 4)
    run(notebook.cells, tmp_path, OMP_NUM_THREADS="1")
