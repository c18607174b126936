"""Run a lesson with a real kernel, and keep what its cells show in a form that needs no kernel.

In: the path of a notebook. Out: the notebook with outputs, its widgets as the pictures that stand still. Draws no page.
"""

import os
import re
from pathlib import Path
from subprocess import DEVNULL

import nbformat
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode

from ..errors import PublishingError
from .outputs import code_cells, load_outputs, save_outputs

WIDGET = "application/vnd.jupyter.widget-view+json"
SECONDS_A_CELL = 300
SERVER = re.compile(r"<iframe[^>]+https?://(127\.0\.0\.1|localhost)\b")
ENDED = '<p style="font-size:18px">Here the lesson shows the page of its own server. Open it live to see it.</p>'
QUIET = {
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_OFFLINE": "1",  # the lessons' models come from elsewhere
    "NANOCHAT_FINISHED_PICTURES": "1",  # what is made in the background is shown when it is done
    "TOKENIZERS_PARALLELISM": "false",
    "TRANSFORMERS_VERBOSITY": "error",
}


class _ThisPython(KernelSpecManager):
    """Knows one kernel: the Python that runs now, whatever kernels the machine has besides."""

    def get_kernel_spec(self, _name: str) -> KernelSpec:
        from ipykernel.kernelspec import RESOURCES, get_kernel_dict

        return KernelSpec(resource_dir=RESOURCES, **get_kernel_dict())


def executed(path: Path, *, any_package: bool = False) -> NotebookNode:
    """Return a notebook with what its cells show; run it only if that is not known from an earlier run.

    Each output of a live picture is its static HTML, marked with `output.metadata.live`.
    any_package: what an older NanoChat showed will do.
    Raises PublishingError when the file is no notebook, or a cell fails: it names notebook, cell and error.
    """
    notebook = read_notebook(path)
    outputs = load_outputs(path, notebook, any_package=any_package)
    if outputs is None:
        _run(path, notebook)
        keep_static(notebook)
        save_outputs(path, notebook)
    else:
        for cell, shown in zip(code_cells(notebook), outputs, strict=True):
            cell.outputs = shown
    _join_streams(notebook)
    _describe_plots(notebook)
    _leave_out_servers(notebook)
    return notebook


def read_notebook(path: Path) -> NotebookNode:
    """Read a notebook. Raises PublishingError where there is none."""
    try:
        return nbformat.read(path, as_version=4)
    except (OSError, ValueError, nbformat.ValidationError) as problem:
        reason = getattr(problem, "strerror", None) or "it is no notebook"
        raise PublishingError(f"{path} cannot be read: {reason}. Give the path of a lesson (.ipynb).") from problem


def keep_static(notebook: NotebookNode) -> None:
    """Leave of each live picture its static HTML, and nothing of what has none (such as progress bars)."""
    notebook.metadata.pop("widgets", None)
    for cell in code_cells(notebook):
        cell.outputs = [output for output in map(_static, cell.outputs) if output is not None]


def _static(output: NotebookNode) -> NotebookNode | None:
    data = output.get("data", {})
    if output.output_type == "execute_result":
        output.execution_count = None  # no page shows it
    if WIDGET not in data:
        return output
    if "text/html" not in data:
        return None
    output.data = NotebookNode({"text/html": data["text/html"]})
    output.setdefault("metadata", NotebookNode())["live"] = True
    return output


def _join_streams(notebook: NotebookNode) -> None:
    """Make one text of what was printed bit by bit: each bit would begin a line of its own."""
    for cell in code_cells(notebook):
        joined = []
        for output in cell.outputs:
            if joined and output.output_type == "stream" == joined[-1].output_type and output.name == joined[-1].name:
                joined[-1].text += output.text
            else:
                joined.append(output)
        cell.outputs = joined


def _describe_plots(notebook: NotebookNode) -> None:
    """Give each plot a text for those who cannot see it: the code that drew it, where its cell says nothing better."""
    for cell in code_cells(notebook):
        last_line = cell.source.strip().rpartition("\n")[2]
        text = cell.metadata.get("alt") or f"Plot drawn by: {last_line}"
        for output in cell.outputs:
            if "image/png" in output.get("data", {}):
                output.metadata.setdefault("image/png", NotebookNode())["alt"] = text


def _leave_out_servers(notebook: NotebookNode) -> None:
    """Put a sentence where a lesson shows a page of its own server: that server has ended."""
    for cell in code_cells(notebook):
        for output in cell.outputs:
            if "text/html" in output.get("data", {}) and SERVER.search(output.data["text/html"]):
                output.data = NotebookNode({"text/html": ENDED})
                output.metadata["live"] = True


def _run(path: Path, notebook: NotebookNode) -> None:
    client = NotebookClient(
        notebook,
        km=AsyncKernelManager(kernel_spec_manager=_ThisPython(), kernel_name="python3"),
        timeout=SECONDS_A_CELL,
        resources={"metadata": {"path": str(path.resolve().parent)}},
    )
    current = []
    client.on_cell_start = lambda cell, cell_index: current.append(cell)
    try:
        client.execute(cleanup_kc=True, env=_environment(), stderr=DEVNULL)
    except (CellExecutionError, CellTimeoutError, DeadKernelError) as problem:
        cell = current[-1].get("id", "?") if current else "?"
        raise PublishingError(
            f"{path.name}, cell {cell!r}: {_reason(problem)} Run the lesson in Jupyter to look into it."
        ) from problem


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name != "MPLBACKEND"}  # the kernel's own draws inline
    return QUIET | kept


def _reason(problem: Exception) -> str:
    if isinstance(problem, CellExecutionError):
        return f"{problem.ename}: {problem.evalue}".strip().splitlines()[0].rstrip(".") + "."
    if isinstance(problem, CellTimeoutError):
        return f"it took longer than {SECONDS_A_CELL} seconds."
    return "its kernel has ended, perhaps for want of memory."
