"""The diagram of a workflow, shown in a cell."""

from collections.abc import Mapping
from pathlib import Path

from ..views.workflow import workflow_data, workflow_html
from ..workflow import EXAMPLE_WORKFLOW, Workflow
from .live import StaticView


def workflow_diagram(spec: Mapping | str | Path | Workflow = EXAMPLE_WORKFLOW) -> StaticView:
    """Show the steps of a workflow as boxes, a mistake at its step; `data` is the WorkflowDiagram.

    spec: as for `run_workflow`: a dict, JSON text, the path of a JSON file, or what `parse_workflow` gave.
    """
    data = workflow_data(spec)
    return StaticView(workflow_html(data), data)
