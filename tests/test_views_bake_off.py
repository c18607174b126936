"""The memory bake-off: "in the prompt" and "said" are measured apart, and both are true to what happened."""

import re
import threading

import pytest
from scripted import ByteTokenizer, ScriptedBackbone

from nanochat_helpers.errors import MessageError, SettingsError
from nanochat_helpers.history import LastTurns, PinnedNotes, RunningSummary, TokenBudget
from nanochat_helpers.prompts import encode_prompt
from nanochat_helpers.settings import GenerationSettings
from nanochat_helpers.views.bake_off import (
    BakeOff,
    Fact,
    Outcome,
    bake_off_data,
    bake_off_html,
    bake_off_rounds_html,
    five_strategies,
    planted_conversation,
)

FACT = Fact("My cat is Tom.", "Fine.", "My cat?", "Tom")
TALK = [("one?", "1"), ("two?", "2")]
TWO = {"last": LastTurns(0), "notes": PinnedNotes(["My cat is Tom."], LastTurns(0))}


def play(n_between=3, *, script="It is Tom.", strategies=TWO, **options):
    options = {"fact": FACT, "small_talk": TALK, "n_seeds": 4, "max_tokens": 1000} | options
    return bake_off_data(ScriptedBackbone(script), n_between, strategies=strategies, **options)


def outcome(name="last", *, in_prompt=True, samples=("Tom", "no"), n_said=1, kept=()):
    return Outcome(name, tuple(kept), 50, 2, in_prompt, tuple(samples), n_said)


# --- data


def test_the_fact_is_told_first_and_asked_for_last_with_small_talk_in_between():
    contents = [said["content"] for said in planted_conversation(3, FACT, TALK)]
    assert contents[1:] == ["My cat is Tom.", "Fine.", "one?", "1", "two?", "2", "one?", "1", "My cat?"]
    assert len(planted_conversation(0)) == 4
    with pytest.raises(MessageError, match="small_talk is empty"):
        planted_conversation(1, FACT, [])


def test_no_small_talk_gives_the_answer_away():
    contents = [said["content"] for said in planted_conversation(20)]
    assert [place for place, content in enumerate(contents) if Fact().is_in(content)] == [1, 2]


@pytest.mark.parametrize(
    ("text", "is_in"),
    [("Tom", True), ("it's TOM!", True), ("Tom.", True), ("Tomato", False), ("atom", False), ("", False)],
)
def test_the_answer_counts_as_a_whole_word_however_it_is_written(text, is_in):
    assert FACT.is_in(text) == is_in


def test_an_answer_with_signs_of_a_pattern_in_it_is_just_text():
    assert Fact(answer="C++ (new)").is_in("I like C++ (new).") and not Fact(answer="a.c").is_in("abc")


@pytest.mark.parametrize("wrong", [{"told": 5}, {"question": None}, {"answer": 7}, {"answer": " "}])
def test_a_fact_of_something_else_than_text_or_without_an_answer_is_refused(wrong):
    with pytest.raises(MessageError, match=f"{next(iter(wrong))} of the fact"):
        Fact(**wrong)


@pytest.mark.parametrize("small_talk", ["abc", [1], [("one",)]])
def test_small_talk_that_is_no_list_of_pairs_is_refused(small_talk):
    with pytest.raises(MessageError, match="small_talk must be pairs"):
        planted_conversation(1, FACT, small_talk)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"fact": "My cat is Tom."}, "must be a Fact"),
        ({"settings": 5}, "must be GenerationSettings"),
        ({"strategies": [LastTurns(1)]}, "strategies must be names"),
        ({"strategies": {1: LastTurns(1)}}, "strategies must be names"),
        ({"strategies": {"last": LastTurns}}, "must be a strategy such as"),
        ({"strategies": {"list": lambda messages, count_tokens, max_tokens: messages}}, "must return Fitted"),
    ],
)
def test_a_round_of_the_wrong_things_is_refused_in_words(options, says):
    with pytest.raises(SettingsError, match=says):
        play(**options)


def test_in_the_prompt_and_said_are_two_measurements():
    said, silent = play(), play(script="No idea.")
    assert [(o.strategy, o.in_prompt, o.n_said) for o in said.outcomes] == [("last", False, 4), ("notes", True, 4)]
    assert [(o.strategy, o.in_prompt, o.n_said) for o in silent.outcomes] == [("last", False, 0), ("notes", True, 0)]


def test_what_is_counted_is_what_the_model_wrote_for_each_seed():
    script = ["Tom", "Tomato", "no", "yes, Tom"]
    result = play(script=script, strategies={"last": LastTurns(0)}).outcomes[0]
    assert result.samples == tuple(script) and result.n_said == 2


def test_an_outcome_knows_its_prompt_and_what_it_lacks():
    result = play(1, strategies={"last": LastTurns(0)}).outcomes[0]
    assert [said["content"] for said in result.kept][1:] == ["My cat?"]
    assert (result.n_dropped, result.n_prompt) == (4, len(encode_prompt(result.kept, ByteTokenizer()).input_ids))


def test_a_strategy_is_called_at_each_turn_as_in_a_chat():
    asked = []

    def summarise(summary, messages):
        asked.append([said["content"] for said in messages])
        return summary + messages[0]["content"]

    data = play(2, strategies={"summary": RunningSummary(summarise, 0)})
    assert asked == [["My cat is Tom.", "Fine."], ["one?", "1"], ["two?", "2"]]
    assert data.outcomes[0].in_prompt


def test_all_strategies_have_the_same_budget():
    data = play(9, strategies={"budget": TokenBudget(), "last": LastTurns(50)}, max_tokens=200)
    assert all(150 < result.n_prompt <= 200 for result in data.outcomes)


def test_seeds_are_counted_up_from_the_settings():
    assert play().seed == 0
    assert play(settings=GenerationSettings(seed=7)).seed == 7


def test_progress_is_told_and_a_stopped_round_has_only_what_was_done():
    seen, cancel = [], threading.Event()

    def on_progress(done, total):
        seen.append((done, total))
        cancel.set()

    data = play(on_progress=on_progress, cancel=cancel)
    assert seen == [(1, 2)] and [result.strategy for result in data.outcomes] == ["last"]
    cancel.set()
    assert play(cancel=cancel).outcomes == ()


@pytest.mark.parametrize(("name", "value"), [("n_between", -1), ("n_seeds", 0), ("max_tokens", 0)])
def test_a_bad_number_is_refused_by_name(name, value):
    with pytest.raises(SettingsError, match=f"^{name}={value} is not allowed"):
        bake_off_data(ScriptedBackbone(""), **{name: value})


def test_the_five_strategies_play_with_the_real_model(backbone):
    data = bake_off_data(backbone, 3, n_seeds=2, settings=GenerationSettings(max_new_tokens=6))
    assert [result.strategy for result in data.outcomes] == list(five_strategies(backbone))
    in_prompt = {result.strategy: result.in_prompt for result in data.outcomes}
    assert not in_prompt["keep the last 2 turns"]
    assert in_prompt["drop the oldest"] and in_prompt["pinned notes"] and in_prompt["relevant turns"]
    assert all(len(result.samples) == 2 and result.n_prompt <= 160 for result in data.outcomes)


# --- drawings


def test_the_table_has_a_column_for_each_measurement():
    data = BakeOff(FACT, 1, 5, (outcome("a"), outcome("b", in_prompt=False, n_said=2)))
    drawn = bake_off_html(data)
    rows = re.findall(r'<tr><th scope="row">(\w)</th><td><b class="nc-bo-(\w+)">.*?aria-label="([^"]+)"', drawn)
    assert rows == [("a", "yes", "1 of 2"), ("b", "no", "2 of 2")]
    assert "1 turn of small talk" in drawn and "50 tokens, 2 messages dropped" in drawn
    assert "seed 5 ✓" in drawn and "seed 6 ✗" in drawn


def test_several_rounds_have_two_lines_a_strategy_and_a_column_for_each_number_of_turns():
    rounds = [
        BakeOff(FACT, 4, 0, (outcome("a", in_prompt=False, n_said=0), outcome("b", n_said=2))),
        BakeOff(FACT, 0, 0, (outcome("a"),)),
    ]
    drawn = bake_off_rounds_html(rounds)
    assert re.findall(r'<th scope="col">(\d+)</th>', drawn) == ["0", "4"]
    assert re.findall(r'class="nc-bo-(yes|no)"', drawn) == ["yes", "no", "yes"]
    assert re.findall(r">(\d+) %</td>", drawn) == ["50", "0", "100"]
    assert drawn.count("<td></td>") == 2  # b was not played with 0 turns
    assert re.findall(r"--nc-share:([\d.]+)", drawn) == ["0.5", "0", "1"]


def test_of_two_rounds_with_the_same_turns_the_last_one_counts():
    rounds = [BakeOff(FACT, 1, 0, (outcome(n_said=said),)) for said in (0, 2)]
    assert re.findall(r">(\d+) %</td>", bake_off_rounds_html(rounds)) == ["100"]


@pytest.mark.parametrize("text", ["<script>alert(1)</script>", "\"'><img src=x>", "a\u202eb", "</style>"])
def test_hostile_text_is_shown_as_text(text):
    bad = outcome(text, samples=(text,), kept=[{"role": "user", "content": text}])
    data = BakeOff(Fact(text, text, text, text), 1, 0, (bad,))
    for drawn in (bake_off_html(data), bake_off_rounds_html([data])):
        assert "<script" not in drawn and "<img" not in drawn and "\u202e" not in drawn
        assert drawn.count("<style") == drawn.count("</style>") == 2
