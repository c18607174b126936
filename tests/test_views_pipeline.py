"""The map of the seven steps: true to the trace, and safe to show."""

from nanochat_helpers.trace import STEPS, Trace
from nanochat_helpers.views.pipeline import pipeline_data, pipeline_html
from nanochat_helpers.widgets import pipeline_map


def some_trace(user_message="Hi"):
    return Trace(
        model="toy",
        engine="transformers",
        settings={},
        user_message=user_message,
        user_ids=[5],
        messages=[{"role": "user", "content": user_message}],
        input_ids=[1, 5, 2],
        raw_text="Hello ",
        edits=[{"name": "tidy_white_space", "before": "Hello ", "after": "Hello"}],
        text="Hello",
        finish_reason="stop",
        seconds=dict.fromkeys(STEPS, 0.0) | {"model inference": 0.3, "tokenization": 0.1},
    )


def test_it_has_the_seven_steps_in_order():
    rows = pipeline_data(some_trace())
    assert [row.number for row in rows] == [1, 2, 3, 4, 5, 6, 7]
    assert tuple(row.name for row in rows) == STEPS


def test_shares_are_shares_of_the_whole_time():
    shares = {row.name: row.share for row in pipeline_data(some_trace())}
    assert abs(shares["model inference"] - 0.75) < 1e-9
    assert abs(sum(shares.values()) - 1) < 1e-9


def test_a_trace_without_times_has_empty_bars_and_no_error():
    trace = some_trace()
    trace.seconds = {}
    assert {row.share for row in pipeline_data(trace)} == {0.0}


def test_each_step_says_what_it_took_and_gave():
    made = {row.name: (row.took, row.gave) for row in pipeline_data(some_trace())}
    assert made["prompt construction"] == ("1 message", "a prompt of 3 tokens")
    assert made["post-processing"] == ("'Hello'", "tidy_white_space")


def test_hostile_text_is_shown_as_text():
    drawn = pipeline_html(pipeline_data(some_trace("<script>alert(1)</script>\u202e")))
    assert "<script>" not in drawn and "&lt;script&gt;" in drawn and "\u202e" not in drawn


def test_the_cell_shows_the_same_html():
    shown = pipeline_map(some_trace())
    assert shown._repr_html_() == pipeline_html(shown.data)
