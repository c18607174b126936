"""The diagram of a workflow: true to the JSON, and every mistake at the step where it is."""

import html
import json
import re

import pytest

from nanochat_helpers.errors import WorkflowError
from nanochat_helpers.trace import STEPS as PIPELINE
from nanochat_helpers.views.pipeline import MODULES
from nanochat_helpers.views.workflow import workflow_data, workflow_html
from nanochat_helpers.widgets import workflow_diagram
from nanochat_helpers.workflow import EXAMPLE_WORKFLOW, STEPS, parse_workflow

HOSTILE = "<script>alert(1)</script>\u202e"


def example(**changes):
    """The article's workflow; changes: by the name of a step, keys to be set, or None to leave the step out."""
    spec = json.loads(EXAMPLE_WORKFLOW.read_text("utf-8"))
    for name, keys in changes.items():
        place = next(place for place, step in enumerate(spec["steps"]) if step["step"] == name)
        if keys is None:
            del spec["steps"][place]
        else:
            spec["steps"][place].update(keys)
    return spec


def text_of(drawn):
    return html.unescape(re.sub(r"<style>.*?</style>|<[^>]+>", "", drawn, flags=re.DOTALL))


def wrong_boxes(data):
    return [place for place, box in enumerate(data.boxes) if box.fault]


def sentence(spec):
    with pytest.raises(WorkflowError) as error:
        parse_workflow(spec)
    return str(error.value)


# --- a workflow that is right


def test_the_five_steps_of_the_article_are_boxes_with_their_keys_and_values():
    data = workflow_data(EXAMPLE_WORKFLOW)
    assert data.is_right and data.name == "nanochat_inference"
    assert [box.name for box in data.boxes] == list(STEPS)
    keys = {box.name: {key: json.loads(value) for key, value in box.keys} for box in data.boxes}
    assert keys == {step.pop("step"): step for step in example()["steps"]}


def test_each_step_tells_its_place_among_the_seven_and_its_module():
    boxes = workflow_data(EXAMPLE_WORKFLOW).boxes
    expected = [f"step {n}, {PIPELINE[n - 1]}: {MODULES[n - 1]}" for n in (2, 3, 4, 5, 6)]
    assert [box.pipeline for box in boxes] == expected
    drawn = text_of(workflow_html(workflow_data(EXAMPLE_WORKFLOW)))
    places = [drawn.index(f"step {n}, {name}") for n, name in enumerate(PIPELINE, start=1)]
    assert places == sorted(places)


@pytest.mark.parametrize("form", ["dict", "text", "path", "str path", "Workflow"])
def test_every_form_that_can_be_run_can_be_drawn(form):
    spec = {
        "dict": example(),
        "text": json.dumps(example()),
        "path": EXAMPLE_WORKFLOW,
        "str path": str(EXAMPLE_WORKFLOW),
        "Workflow": parse_workflow(example()),
    }[form]
    data = workflow_data(spec)
    assert data.is_right
    assert {(box.name, key) for box in data.boxes for key, _ in box.keys} == {
        (name, key) for name, keys in STEPS.items() for key in keys
    }


def test_a_workflow_and_the_json_made_of_its_diagram_mean_the_same():
    workflow = parse_workflow(example(generate={"parameters": {"temperature": 1.5, "seed": 3, "stop": ["a"]}}))
    boxes = workflow_data(workflow).boxes
    steps = [{"step": box.name, **{key: json.loads(value) for key, value in box.keys}} for box in boxes]
    assert parse_workflow({"workflow": workflow.name, "steps": steps}) == workflow


def test_a_key_that_may_be_there_and_is_not_is_named():
    spec = example()
    del spec["steps"][1]["max_history"]
    box = workflow_data(spec).boxes[1]
    assert box.unset == ("max_history",) and box.fault is None
    assert "max_historynot given" in text_of(workflow_html(workflow_data(spec)))


# --- mistakes


@pytest.mark.parametrize(
    ("spec", "place"),
    [
        (example(generate={"parameters": {"temperatur": 1}}), 3),
        (example(generate={"parameters": {"temperature": -1}}), 3),
        (example(prepare_prompt={"max_history": "two"}), 1),
        (example(model_inference={"modell": "x"}), 2),
        (example(decode_output={"strip_special_tokens": 1}), 4),
        ({"steps": [*example()["steps"][:2], {"step": "infer"}, *example()["steps"][3:]]}, 2),
        ({"steps": [*example()["steps"], {"step": "tokenize"}]}, 5),
        ({"steps": example()["steps"][::-1]}, 0),
        ({"steps": ["tokenize"]}, 0),
        ({"steps": [{"name": "tokenize"}]}, 0),
        ({"steps": [{"step": ["tokenize"]}]}, 0),
    ],
)
def test_a_mistake_stands_at_its_step_with_the_sentence_of_the_error(spec, place):
    data = workflow_data(spec)
    assert wrong_boxes(data) == [place] and data.fault is None and not data.is_right
    assert data.boxes[place].fault == sentence(spec)
    drawn = workflow_html(data)
    assert "has a mistake" in drawn
    (wrong,) = re.findall(r'<li class="nc-wf-box nc-wf-wrong[^"]*">.*?</li>', drawn, re.DOTALL)
    assert sentence(spec) in text_of(wrong)


@pytest.mark.parametrize("name", STEPS)
def test_a_missing_step_is_drawn_at_the_place_where_it_should_be(name):
    spec = example(**{name: None})
    data = workflow_data(spec)
    assert [box.name for box in data.boxes] == list(STEPS)
    (place,) = wrong_boxes(data)
    assert data.boxes[place].is_missing and data.boxes[place].name == name
    assert f"missing: {name}" in text_of(workflow_html(data))


def test_broken_json_shows_the_line_where_it_is_broken():
    text = EXAMPLE_WORKFLOW.read_text("utf-8").replace('"tokenize",', '"tokenize"')
    data = workflow_data(text)
    assert data.fault == sentence(text) and data.boxes == ()
    assert [(number, is_here) for number, _, is_here in data.lines] == [
        (2, False), (3, False), (4, True), (5, False), (6, False),
    ]  # fmt: skip
    assert "▶" in workflow_html(data) and '"tokenize" "input"' in text_of(workflow_html(data))


@pytest.mark.parametrize(
    "spec",
    ["[]", "3 is no path", {"stps": []}, {"steps": "none"}, {"workflow": 3, "steps": []}, 7, None, "", '{"a":1,"a":2}'],
)
def test_a_mistake_that_belongs_to_no_step_stands_above_all(spec):
    data = workflow_data(spec)
    assert data.fault == sentence(spec) and wrong_boxes(data) == []
    assert data.fault in text_of(workflow_html(data))


def test_hostile_and_endless_workflows_are_shown_as_text_and_stay_short():
    step = {"step": HOSTILE, HOSTILE: HOSTILE, "more": {HOSTILE: [HOSTILE]}, "set": {1, 2}}
    spec = {"workflow": HOSTILE, "steps": [step] * 5000}
    drawn = workflow_html(workflow_data(spec)) + workflow_html(workflow_data('{"a": ' + HOSTILE))
    assert "<script" not in drawn and "\u202e" not in drawn
    assert "4,980 more steps" in drawn and len(drawn) < 60_000


def test_a_cell_shows_the_same_html_and_the_articles_workflow_if_none_is_given():
    shown = workflow_diagram()
    assert shown._repr_html_() == workflow_html(shown.data) == workflow_html(workflow_data(EXAMPLE_WORKFLOW))
