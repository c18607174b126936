"""The diagram of a workflow: the steps of its JSON as boxes, what goes from one to the next, and where a mistake is.

`workflow_data` reads and checks, `workflow_html` draws. What a step may hold is in `workflow.STEPS`.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

from ..errors import WorkflowError
from ..language import later, tr, tr_later
from ..settings import GenerationSettings
from ..trace import STEPS as PIPELINE
from ..workflow import STEPS, Workflow, parse_workflow, read_workflow
from .filmstrip import running_text
from .markup import count, figure
from .pipeline import MODULES, module_name
from .workflow_style import STYLE

SHOWN = 20  # steps, or keys of a step, that are drawn
AROUND = 2  # lines of broken JSON that are shown before and after the broken one


class _Role(NamedTuple):
    """What a step of the workflow is in the pipeline: which of the seven steps, what it does, and what it gives."""

    number: int
    does: str
    gives: str


_ROLES = {
    "tokenize": _Role(2, later("cuts the message into tokens"), later("token ids")),
    "prepare_prompt": _Role(
        3, later("puts the message and earlier turns into one prompt"), later("the prompt as token ids")
    ),
    "model_inference": _Role(4, later("asks the model which token comes next"), later("logits, anew for each token")),
    "generate": _Role(5, later("chooses a token, again and again"), later("raw text")),
    "decode_output": _Role(6, later("cleans the text"), later("clean text")),
}


@dataclass(frozen=True)
class StepBox:
    """One step of the workflow as a box.

    name: as the JSON says it. pipeline: which of the seven steps it is and in which module, "" for none of them.
    keys: pairs of a key and its value as JSON; unset: the keys it may have and has not.
    fault: the sentence about a mistake in it. is_missing: the JSON does not have this step.
    """

    name: str
    pipeline: str = ""
    does: str = ""
    gives: str = ""
    keys: tuple[tuple[str, str], ...] = ()
    unset: tuple[str, ...] = ()
    fault: str | None = None
    is_missing: bool = False


@dataclass(frozen=True)
class WorkflowDiagram:
    """A workflow as boxes.

    fault: the sentence about a mistake that belongs to no step. lines: the lines of broken JSON around the mistake, as
    triples of number, text, and whether it is there.
    """

    name: str = ""
    boxes: tuple[StepBox, ...] = ()
    fault: str | None = None
    lines: tuple[tuple[int, str, bool], ...] = ()

    @property
    def is_right(self) -> bool:
        """Is there no mistake?"""
        return self.fault is None and not any(box.fault for box in self.boxes)


# --- data


def workflow_data(spec: Mapping | str | Path | Workflow) -> WorkflowDiagram:
    """Read a workflow, right or wrong. spec: as for `run_workflow`. A mistake becomes part of the diagram, no error."""
    try:
        read = _spec_of(spec) if isinstance(spec, Workflow) else read_workflow(spec)
    except WorkflowError as error:
        return WorkflowDiagram(fault=str(error), lines=_lines(error.__cause__))
    sentence = _mistake(read)
    if not isinstance(read, Mapping):
        return WorkflowDiagram(fault=sentence)
    steps = read.get("steps") if isinstance(read.get("steps"), list) else []
    boxes = [_box(step) for step in steps]
    place, boxes = _place_of(sentence, boxes)
    if place is not None:
        boxes[place] = StepBox(**{**vars(boxes[place]), "fault": sentence})
    return WorkflowDiagram(str(read.get("workflow", "")), tuple(boxes), None if place is not None else sentence)


def _mistake(spec):
    try:
        parse_workflow(spec)
    except WorkflowError as error:
        return str(error)
    return None


def _place_of(sentence, boxes):
    """The place of the box that a sentence is about, None for no box; a step that is missing gets a box there."""
    if sentence is None:
        return None, boxes
    if missing := re.match(r"The step '(\w+)' is missing", sentence):
        name = missing[1]
        before = list(STEPS)[: list(STEPS).index(name)]
        place = max((number for number, box in enumerate(boxes, start=1) if box.name in before), default=0)
        return place, [*boxes[:place], _known_box(name, is_missing=True), *boxes[place:]]
    step = re.match(r"Step (\d+)\b", sentence)
    return (int(step[1]) - 1 if step else None), boxes


def _box(step):
    if not isinstance(step, Mapping):
        return StepBox(_json(step))
    name = step.get("step")
    keys = tuple((str(key), _json(value)) for key, value in step.items() if key != "step")
    if not isinstance(name, str) or name not in STEPS:
        return StepBox("?" if name is None else str(name), keys=keys)
    return _known_box(name, keys=keys, unset=tuple(key for key in STEPS[name] if key not in step))


def _known_box(name, **more):
    role = _ROLES[name]
    return StepBox(name, _pipeline(role.number), tr_later(role.does), tr_later(role.gives), **more)


def _pipeline(number):
    name, module = tr_later(PIPELINE[number - 1]), module_name(MODULES[number - 1])
    return tr("step {number}, {name}: {module}", number=number, name=name, module=module)


def _spec_of(workflow):
    """The JSON that a workflow came from, with those parameters that differ from the defaults."""
    usual, settings = asdict(GenerationSettings()), asdict(workflow.settings)
    parameters = {name: value for name, value in settings.items() if value != usual[name]}
    values = {
        "tokenize": {"input": "user_message"},
        "prepare_prompt": {"max_history": workflow.max_history},
        "model_inference": {"model": workflow.model},
        "generate": {"parameters": json.loads(json.dumps(parameters))},
        "decode_output": {"strip_special_tokens": workflow.strip_special_tokens},
    }
    return {"workflow": workflow.name, "steps": [{"step": name, **keys} for name, keys in values.items()]}


def _lines(error):
    """The lines around the place where JSON is broken."""
    if not isinstance(error, json.JSONDecodeError):
        return ()
    lines = enumerate(error.doc.split("\n"), start=1)
    return tuple(
        (number, line, number == error.lineno) for number, line in lines if abs(number - error.lineno) <= AROUND
    )


def _json(value):
    try:
        return json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError):
        return repr(value)


# --- drawing


def workflow_html(data: WorkflowDiagram) -> str:
    """Draw the steps below one another, with what goes from each to the next; a mistake stands at its step."""
    state = "" if data.is_right else f" <b class='nc-wf-sign'>✗ {tr('has a mistake')}</b>"
    name = f'<b class="nc-mono">{_text(data.name)}</b>'
    head = f'<div class="nc-head"><span>{tr("workflow {name}", name=name)}</span>{state}</div>'
    fault = _fault(data.fault) + _source(data.lines)
    boxes = "".join(map(_step, data.boxes[:SHOWN])) + _more(data.boxes)
    begin, end = _end(tr("your message"), 1), _end(tr("the reply"), 7)
    steps, n_steps = f"{begin}{_arrow(tr('text'))}{boxes}{end}" if data.boxes else "", count(len(data.boxes), "step")
    label = tr("A workflow of {steps}", steps=n_steps)
    if not data.is_right:
        label = tr("A workflow of {steps}, one mistake", steps=n_steps)
    return figure(f'{STYLE}<div class="nc-wf">{head}{fault}<ol class="nc-wf-steps">{steps}</ol></div>', label=label)


def _end(name, number):
    """The step of the pipeline before the first step of a workflow, or after the last one."""
    return f'<li class="nc-wf-end">{name} <small>{_pipeline(number)}</small></li>'


def _step(box):
    keys = "".join(f"<dt>{_text(key)}</dt><dd>{_value(value)}</dd>" for key, value in box.keys[:SHOWN])
    unset = "".join(f'<dt class="nc-dim">{key}</dt><dd class="nc-dim">{tr("not given")}</dd>' for key in box.unset)
    kind = " nc-wf-wrong" * bool(box.fault) + " nc-wf-missing" * box.is_missing
    name = f'<b class="nc-mono">{_text(box.name)}</b>'
    name = tr("missing: {step}", step=name) if box.is_missing else name
    about = f"<small>{box.does}</small><small>{box.pipeline}</small>" if box.pipeline else ""
    return (
        f'<li class="nc-wf-box{kind}"><div>{name}{about}</div><dl class="nc-mono">{keys}{unset}</dl>'
        f"{_fault(box.fault)}</li>{_arrow(box.gives)}"
    )


def _value(value):
    """A value; the parts of an object stand below one another."""
    try:
        parts = json.loads(value)
    except ValueError:
        parts = None
    if not isinstance(parts, dict) or not parts:
        return _text(value)
    return "<br>".join(f"{_text(key)}: {_text(_json(part))}" for key, part in list(parts.items())[:SHOWN])


def _fault(sentence):
    return f'<p class="nc-note nc-wf-fault" role="alert">✗ {_text(sentence, 400)}</p>' if sentence else ""


def _source(lines):
    rows = "".join(
        f"<div{' class=nc-wf-here' * is_here}>{'▶' if is_here else ' '} {number:>3}  {_text(line)}</div>"
        for number, line, is_here in lines
    )
    return f'<div class="nc-wf-json nc-mono">{rows}</div>' if rows else ""


def _arrow(what):
    return f'<li class="nc-wf-arrow">↓ {what}</li>' if what else '<li class="nc-wf-arrow">↓</li>'


def _more(boxes):
    return f"<li>… {count(len(boxes) - SHOWN, 'more step')}</li>" if len(boxes) > SHOWN else ""


def _text(text, limit=100):
    return running_text(text if len(text) <= limit else text[: limit - 1] + "…")
