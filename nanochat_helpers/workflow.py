"""The pipeline as a JSON file: the five steps of a workflow, checked and then run as one turn of a `Chat`.

In: a workflow as a dict, JSON text or a file, and a message. Out: a Reply. A workflow is data: nothing in it is ever
executed, and it can say only what is listed in STEPS.
"""

import difflib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from .chat import Chat, Reply, load_chat_model, user_message
from .errors import MessageError, ModelMissingError, SettingsError, UnknownModelError, WorkflowError
from .history import LastTurns
from .prompts import check_messages
from .settings import GenerationSettings

EXAMPLE_WORKFLOW = Path(__file__).parent / "data" / "workflow.json"


class Key(NamedTuple):
    """What one key of a step may hold: `allowed` says it in words, `fits` tells whether a value does."""

    allowed: str
    fits: Callable[[Any], bool]
    required: bool = False


def _is_object(value):
    return isinstance(value, dict) and all(isinstance(key, str) for key in value)


STEPS: dict[str, dict[str, Key]] = {
    "tokenize": {"input": Key('"user_message"', lambda value: value == "user_message")},
    "prepare_prompt": {
        "max_history": Key("a whole number of 0 or more", lambda value: type(value) is int and value >= 0)
    },
    "model_inference": {
        "model": Key(
            'the name of a model, such as "smollm2"',
            lambda value: isinstance(value, str) and bool(value.strip()),
            required=True,
        )
    },
    "generate": {"parameters": Key('an object, such as {"temperature": 0.7}', _is_object)},
    "decode_output": {"strip_special_tokens": Key("true or false", lambda value: isinstance(value, bool))},
}


@dataclass(frozen=True, kw_only=True)
class Workflow:
    """A workflow whose every step was checked.

    max_history: how many earlier turns stay in the prompt. settings: the parameters of `generate`.
    strip_special_tokens: False leaves the model's control tokens, such as <|im_end|>, visible in the reply.
    """

    name: str
    model: str
    max_history: int = 2
    settings: GenerationSettings = field(default_factory=GenerationSettings)
    strip_special_tokens: bool = True


def run_workflow(
    spec: Mapping | str | Path | Workflow,
    user_message: str,
    *,
    history: Sequence[dict] = (),
    models: Mapping[str, Any] | None = None,
    engine: str = "auto",
) -> Reply:
    """Answer one message in the way that a workflow says.

    spec: a dict, JSON text, the path of a JSON file, or what `parse_workflow` gave.
    history: the messages before this one. models: name → loaded model, for models that are not to be loaded by name.
    Raises WorkflowError, which names the step and the key; ModelMissingError; MessageError for the message.
    """
    workflow = spec if isinstance(spec, Workflow) else parse_workflow(spec)
    _check_conversation(history, user_message)
    if models is not None and not isinstance(models, Mapping):
        raise WorkflowError(f'models must be like {{"{workflow.model}": load_model("smollm2")}}, not {models!r:.60}.')
    backbone = (models or {}).get(workflow.model) or _load(workflow.model, engine)
    system, earlier = _split_system(history)
    chat = Chat(
        backbone,
        system=system,
        settings=workflow.settings,
        history=LastTurns(workflow.max_history),
        skip_special_tokens=workflow.strip_special_tokens,
    )
    chat.messages += earlier
    try:
        return chat.send(user_message)
    except SettingsError as error:
        raise WorkflowError(f"{_label('generate')}: {error}") from error


def parse_workflow(spec: Mapping | str | Path) -> Workflow:
    """Check a workflow and give its settings by name. Raises WorkflowError: the step, the key, the nearest word."""
    spec = read_workflow(spec)
    if not isinstance(spec, Mapping):
        raise WorkflowError(f'A workflow must be an object such as {{"steps": [...]}}, not {_json(spec)}.')
    _check_keys(spec, ("workflow", "steps"), "The workflow")
    name = spec.get("workflow", "workflow")
    if not isinstance(name, str):
        raise WorkflowError(f'"workflow" must be a name in quotes, not {_json(name)}.')
    steps = spec.get("steps")
    if not isinstance(steps, list):
        raise WorkflowError(f'The workflow needs "steps": a list of the steps {", ".join(STEPS)}.')
    _check_order([_step_name(number, step) for number, step in enumerate(steps, start=1)])
    values = {}
    for step in steps:
        values |= _check_step(step)
    return _workflow(name, values)


def parse_json(text: str, source: str = "The workflow") -> Any:
    """Read JSON text. Raises WorkflowError with line and column; a key that stands twice is refused, too."""
    try:
        return json.loads(text.removeprefix("\ufeff"), object_pairs_hook=_without_twins)
    except json.JSONDecodeError as error:
        raise WorkflowError(
            f"{source} is not JSON: {error.msg} at line {error.lineno}, column {error.colno}. Correct it there."
        ) from error
    except WorkflowError:
        raise
    except (ValueError, RecursionError) as error:
        raise WorkflowError(f"{source} cannot be read as JSON: {error}.") from error


def read_workflow(spec: Any) -> Any:
    """What the JSON of a workflow says, not checked yet; spec: as for `run_workflow`. Raises WorkflowError."""
    if isinstance(spec, str) and spec.lstrip("\ufeff \t\r\n")[:1] in ("{", "[", ""):
        return parse_json(spec)
    if not isinstance(spec, (str, Path)):
        return spec
    try:
        text = Path(spec).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise WorkflowError(f"The workflow {str(spec)!r:.80} cannot be read ({why}): give a JSON file.") from error
    return parse_json(text, str(spec))


def _step_name(number, step):
    """The name of one step; refuses what is no step at all."""
    if not isinstance(step, Mapping):
        raise WorkflowError(f'Step {number} must be an object such as {{"step": "tokenize"}}, not {_json(step)}.')
    if "step" not in step:
        if near := _nearest(next(iter(step), ""), ["step"]):
            raise WorkflowError(f"Step {number} has the key {_json(next(iter(step)))}{near}")
        raise WorkflowError(f'Step {number} has no key "step": it names one of {", ".join(STEPS)}.')
    name = step["step"]
    if not isinstance(name, str) or name not in STEPS:
        near = _nearest(name, STEPS) or f": the steps are {', '.join(STEPS)}."
        raise WorkflowError(f"Step {number}: there is no step called {_json(name)}{near}")
    return name


def _check_order(names):
    """Each step once, none missing, in the order of STEPS."""
    order = list(STEPS)
    for number, name in enumerate(names, start=1):
        first = names.index(name) + 1
        if first < number:
            raise WorkflowError(f"Step {number} ({name}) is there twice: it already is step {first}.")
    for name in order:
        if name not in names:
            raise WorkflowError(f"The step {name!r} is missing: a workflow has {', '.join(order)}, in this order.")
    for number, (name, due) in enumerate(zip(names, order, strict=True), start=1):
        if name != due:
            raise WorkflowError(
                f"Step {number} ({name}) is out of order: here comes {due!r}. The order is {', '.join(order)}."
            )


def _check_step(step):
    """The values of one step, by key."""
    name = step["step"]
    keys, label = STEPS[name], _label(name)
    _check_keys(step, ("step", *keys), label)
    for key, rule in keys.items():
        if key not in step:
            if rule.required:
                raise WorkflowError(f'{label} needs the key "{key}": {rule.allowed}.')
        elif not rule.fits(step[key]):
            raise WorkflowError(f'{label}: "{key}" must be {rule.allowed}, not {_json(step[key])}.')
    return {key: step[key] for key in keys if key in step}


def _workflow(name, values):
    try:
        settings = GenerationSettings().change(**values.pop("parameters", {}))
    except SettingsError as error:
        raise WorkflowError(f'{_label("generate")}, "parameters": {error}') from error
    values.pop("input", None)
    return Workflow(name=name, settings=settings, **values)


def _check_conversation(history, text):
    user_message(text)
    if not isinstance(history, Sequence) or isinstance(history, str):
        raise MessageError(f"history must be a list of messages, not {type(history).__name__}.")
    check_messages(list(history))


def _split_system(history):
    """The system message, or None where there is none, and the other messages."""
    if history and history[0]["role"] == "system":
        return history[0]["content"], list(history[1:])
    return None, list(history)


def _load(name, engine):
    label = _label("model_inference")
    try:
        return load_chat_model(name, engine=engine)
    except UnknownModelError as error:
        raise WorkflowError(f"{label}: {error}") from error
    except ModelMissingError as error:
        raise ModelMissingError(
            f"{label} asks for {name!r}, which is not on this machine: {error} Or put another model in its place: "
            f'--model smollm2 on the command line, models={{"{name}": load_model("smollm2")}} in Python.'
        ) from error


def _check_keys(step, known, label):
    for key in step:
        if key not in known:
            near = _nearest(key, known) or f": the keys are {', '.join(known)}."
            raise WorkflowError(f"{label} has the unknown key {_json(key)}{near}")


def _label(name):
    return f"Step {list(STEPS).index(name) + 1} ({name})"


def _nearest(word, known):
    near = difflib.get_close_matches(str(word), known, n=1, cutoff=0.5)
    return f': did you mean "{near[0]}"?' if near else ""


def _json(value):
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError):
        text = repr(value)
    return text if len(text) <= 60 else text[:59] + "…"


def _without_twins(pairs):
    for place, (key, _) in enumerate(pairs):
        if any(key == other for other, _ in pairs[:place]):
            raise WorkflowError(f"The key {_json(key)} stands twice in one object: remove one of the two.")
    return dict(pairs)
