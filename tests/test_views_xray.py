"""The pipeline X-ray: true to the trace at every station, quick for long texts, safe to show."""

import html
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scripted import ScriptedBackbone

from nanochat_helpers.chat import Chat
from nanochat_helpers.errors import SettingsError, TraceError
from nanochat_helpers.generation import stream
from nanochat_helpers.history import LastTurns
from nanochat_helpers.prompts import encode_prompt
from nanochat_helpers.settings import GenerationSettings
from nanochat_helpers.trace import STEPS, Candidate, TokenRecord, Trace
from nanochat_helpers.views.xray import STATIONS, whole_xray_html, xray_data, xray_html
from nanochat_helpers.views.xray_data import prompt_runs
from nanochat_helpers.views.xray_style import long_text, split_ends
from nanochat_helpers.views.xray_tokens import number_text

NAMES = [name for name, _, _ in STATIONS]
HOSTILE = "<script>alert(1)</script>\u202e"


def candidate(token_id, text, prob, *, logits=None):
    return Candidate(token_id, text, logits or [2.0, 1.5, 3.0, 3.0, 3.0, 3.0], prob)


def record(text="b", *, token_id=2, u=0.6, candidates=None):
    """The token b, drawn by a needle at 0.6 from a, b and c with 0.5, 0.3 and 0.2."""
    if candidates is None:
        candidates = [candidate(1, "a", 0.5), candidate(2, "b", 0.3), candidate(3, "c", 0.2)]
    return TokenRecord(token_id, text, 0.25, u, candidates, 0.03, 0.02)


def some_trace(**more):
    messages = [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello!"},
        {"role": "user", "content": "Bye"},
    ]
    parts = {
        "model": "toy",
        "engine": "transformers",
        "settings": {"temperature": 0.5, "top_k": 2, "top_p": 1.0, "repetition_penalty": 1.0},
        "user_message": "Bye",
        "user_ids": [66],
        "messages": messages,
        "dropped": messages[:2],
        "kept": messages[2:],
        "prompt": "User: Bye\nBot:",
        "input_ids": [10, 11, 66, 12],
        "roles": ["template", "template", "user", "template"],
        "tokens": [record(), record("c ", token_id=3, u=0.9)],
        "raw_text": "bc ",
        "edits": [{"name": "tidy_white_space", "before": "bc ", "after": "bc"}],
        "text": "bc",
        "finish_reason": "length",
        "seconds": dict.fromkeys(STEPS, 0.0) | {"model inference": 0.3, "tokenization": 0.1},
    }
    return Trace(**{**parts, **more})


def text_of(drawn):
    """What a reader sees: no tags, no styles; a space that is shown as · is a space."""
    drawn = re.sub(r"<style>.*?</style>", "", drawn, flags=re.DOTALL)
    return html.unescape(re.sub(r"<[^>]+>", "", drawn)).replace("·", " ")


def station(trace, name, **more):
    return xray_html(xray_data(trace), NAMES.index(name), **more)


# --- stations


def test_the_stations_are_those_of_one_reply_in_the_order_of_the_pipeline():
    data = xray_data(some_trace())
    assert [station.name for station in data.stations] == NAMES
    assert {step.name for station in data.stations for step in station.steps} == set(STEPS)
    firsts = [station.steps[-1].number for station in data.stations]
    assert firsts == sorted(firsts)


def test_each_station_tells_the_time_of_its_steps():
    data = xray_data(some_trace())
    assert [(step.number, step.seconds) for step in data.stations[NAMES.index("ids")].steps] == [(2, 0.1), (3, 0.0)]
    assert "300.0 ms" in station(some_trace(), "logits")
    assert "400.0 ms" in station(some_trace(), "reply")  # all steps together
    assert "–" in text_of(station(some_trace(seconds={}), "logits"))


@pytest.mark.parametrize("place", range(len(STATIONS)))
def test_each_station_says_where_on_the_way_it_is(place):
    drawn = xray_html(xray_data(some_trace()), place)
    current = re.findall(r'<li aria-current="step"[^>]*>(\d)<span>(.*?)</span>', drawn)
    assert current == [(str(place + 1), NAMES[place])]
    assert f"Station {place + 1} of 9: {NAMES[place]}" in drawn


def test_the_conversation_is_shown_with_its_new_message_marked():
    drawn = station(some_trace(), "messages")
    assert text_of(drawn).index("Hello!") < text_of(drawn).index("Bye")
    assert re.findall(r'<small>new</small></b><span class="nc-xr-says">(\w+)', drawn) == ["Bye"]


def test_what_was_dropped_is_struck_through_and_what_stays_is_not():
    drawn = station(some_trace(), "what fits")
    assert re.findall(r"<del>(.*?)</del>", drawn) == ["Hi", "Hello!"]
    assert "The prompt: 4 of" in drawn  # the prompt strip
    assert "In the prompt: 1 message" in drawn and "Dropped: 2 messages" in drawn
    kept_all = station(some_trace(dropped=[], kept=some_trace().messages), "what fits")
    assert "<del>" not in kept_all and "Nothing had to go" in kept_all


def test_a_message_that_the_conversation_does_not_have_is_marked():
    kept = [{"role": "system", "content": "What was said: hi"}, {"role": "user", "content": "Bye"}]
    drawn = station(some_trace(kept=kept), "what fits")
    assert re.findall(r"<b>(\w+)<small>changed or added</small>", drawn) == ["system"]


def test_the_prompt_is_shown_whole_and_each_part_by_whose_words_it_is():
    drawn = station(some_trace(), "prompt")
    runs = re.findall(r'nc-xr-run nc-xr-(\w+)">(.*?)</span>', drawn.partition("nc-xr-text nc-mono")[2], re.DOTALL)
    assert runs == [("template", "User: "), ("user", "Bye"), ("template", '<span class="nc-sign">⏎')]
    assert "template</span> 3" in drawn and "user</span> 1" in drawn


def test_all_ids_are_shown_under_the_text_that_they_stand_for():
    drawn = station(some_trace(), "ids")
    assert [int(token_id) for token_id in re.findall(r"<i>(\d+)</i>", drawn)] == [10, 11, 66, 12]
    assert "4 ids in all" in drawn


def test_the_edits_show_what_was_cut_and_what_was_put_in():
    cut = {"name": "cut_half_sentence", "before": "I like tea. I also", "after": "I like tea."}
    put = {"name": "other", "before": "a b c", "after": "a X c"}
    drawn = station(some_trace(edits=[cut, put]), "edits")
    removed, added = (
        [text_of(each) for each in re.findall(f"<{tag}[^>]*>(.*?)</{tag}>", drawn)] for tag in ("del", "ins")
    )
    assert "I also" in removed[0] and "b" in removed[1] and len(removed) == 2
    assert len(added) == 1 and "X" in added[0]
    assert "No edit changed anything" in station(some_trace(edits=[]), "edits")


def test_the_reply_tells_why_it_ended():
    assert "room for no more tokens" in station(some_trace(), "reply")
    assert "the model was done" in station(some_trace(finish_reason="stop"), "reply")


# --- one token


def test_the_table_goes_from_the_logits_to_percentages_that_add_up_to_100():
    drawn = station(
        some_trace(tokens=[record(candidates=[candidate(1, "a", 1 / 3), candidate(2, "b", 1 / 3)])]), "logits"
    )
    shares = [float(share) for share in re.findall(r'nc-xr-share"><span>([\d.]+)</span>', drawn)]
    assert len(shares) == 3 and round(sum(shares), 1) == 100.0  # the third: all other tokens
    assert set(shares) == {33.3, 33.4}
    assert re.findall(r"<td>(2\.00|1\.50|3\.00)</td>", drawn) == ["2.00", "1.50", "3.00"] * 2


def test_a_removed_token_says_what_removed_it_and_the_chosen_one_is_marked():
    gone = {
        "temperature 0": [1.0, 1.0, None, None, None, None],
        "top_k": [1.0, 1.0, 1.0, None, None, None],
        "top_p": [1.0, 1.0, 1.0, 1.0, None, None],
        "min_p": [1.0, 1.0, 1.0, 1.0, 1.0, None],
    }
    rows = [candidate(10 + n, name, 0.0, logits=logits) for n, (name, logits) in enumerate(gone.items())]
    drawn = station(some_trace(tokens=[record(candidates=[candidate(2, "b", 1.0), *rows])]), "logits")
    assert re.findall(r"✗ ([\w ]+)<", drawn) == list(gone)
    assert text_of(drawn).count("➜ b") == 1 and drawn.count("nc-xr-chosen") == 1 + 1  # the row and its style


def test_the_settings_stand_above_their_columns():
    drawn = text_of(station(some_trace(), "logits"))
    assert "÷ 0.5" in drawn and "top_k 2" in drawn and "top_p" not in drawn
    assert "penaltyoff" in drawn
    greedy = some_trace(settings={"temperature": 0, "top_k": 2})
    assert "the best one" in text_of(station(greedy, "logits")) and "no cuts" in text_of(station(greedy, "logits"))


def test_the_parts_of_the_bar_follow_one_another_and_the_needle_is_in_the_drawn_one():
    (choice, _) = xray_data(some_trace()).choices
    assert [(part.text, round(part.start, 6), round(part.end, 6)) for part in choice.bar] == [
        ("a", 0, 0.5),
        ("b", 0.5, 0.8),
        ("c", 0.8, 1.0),
    ]
    assert [part.is_drawn for part in choice.bar] == [False, True, False]
    drawn = station(some_trace(), "the draw")
    assert "--u:0.60000" in drawn and "from 0.500 to 0.800" in drawn


def test_tokens_that_the_trace_does_not_have_stand_before_the_drawn_one_where_the_needle_says_so():
    rows = [candidate(1, "a", 0.5), candidate(9, "z", 0.01)]  # z is far down; 0.49 are others'
    (choice,) = xray_data(some_trace(tokens=[record("z", token_id=9, u=0.8, candidates=rows)])).choices
    assert [(part.text, part.is_drawn) for part in choice.bar] == [
        ("a", False),
        ("other tokens", False),
        ("z", True),
        ("other tokens", False),
    ]
    drawn = next(part for part in choice.bar if part.is_drawn)
    assert drawn.start <= 0.8 <= drawn.end and drawn.end - drawn.start == pytest.approx(0.01)
    assert choice.rest == pytest.approx(0.49)


@given(st.integers(0, 200), st.sampled_from([0.3, 0.9, 1.0]), st.sampled_from([0.0, 0.7, 1.8]))
def test_for_every_luck_the_needle_is_in_the_part_of_the_token_that_was_drawn(seed, top_p, temperature):
    import torch

    logits = torch.randn(258, generator=torch.Generator().manual_seed(seed)) * 3
    settings = GenerationSettings(max_new_tokens=3, top_p=top_p, temperature=temperature, seed=seed)
    trace = recorded(ScriptedBackbone(lambda _: logits), settings)
    for choice in xray_data(trace).choices:
        assert choice.bar[0].start == 0 and choice.bar[-1].end == pytest.approx(1, abs=1e-4)
        for left, right in zip(choice.bar, choice.bar[1:], strict=False):
            assert left.end == right.start
        (drawn,) = [part for part in choice.bar if part.is_drawn]
        assert drawn.start - 1e-5 <= choice.record.u <= drawn.end + 1e-5


def recorded(backbone, settings):
    return Chat(backbone, settings=settings).send("Hi").trace


def test_the_raw_text_marks_the_token_of_the_slider():
    for token, text in enumerate(["b", "c "]):
        marked = re.findall(
            r'nc-xr-one nc-xr-token"[^>]*>(.*?)</span>(?=<span class="nc-xr-one|</div>)',
            station(some_trace(), "raw text", token=token),
        )
        assert [text_of(each) for each in marked] == [text]


def test_llama_cpp_which_keeps_its_numbers_gets_a_sentence_instead_of_them():
    trace = recorded(ScriptedBackbone("Hello.", engine="llama.cpp"), GenerationSettings(max_new_tokens=4, seed=0))
    for name in ("logits", "the draw"):
        drawn = text_of(station(trace, name, token=2))
        assert "llama.cpp chooses the tokens itself" in drawn and "Token 3 of 4" in drawn
        assert "u =" not in drawn and "None" not in drawn
    assert "–" in text_of(station(trace, "the draw"))  # step 5 has no time of its own


def test_a_real_trace_before_and_after_a_file_makes_the_same_picture(tmp_path):
    trace = recorded(ScriptedBackbone("Hello."), GenerationSettings(max_new_tokens=4, seed=0))
    trace.save(tmp_path / "trace.json")
    assert whole_xray_html(xray_data(trace)) == whole_xray_html(xray_data(Trace.load(tmp_path / "trace.json")))


# --- the prompt, cut by roles


@pytest.mark.parametrize("content", ["user", "assistant", "Hi there", "system\nuser", "<|im_end|>", "  "])
@pytest.mark.parametrize("is_chat", [True, False])
def test_the_parts_of_the_prompt_are_found_again_without_a_tokenizer(content, is_chat):
    from scripted import ByteTokenizer

    tokenizer = ByteTokenizer(is_chat=is_chat)
    messages = [{"role": "system", "content": "Be kind."}] * is_chat
    messages += [{"role": "user", "content": content}, {"role": "assistant", "content": "A"}]
    messages += [{"role": "user", "content": content}]
    prompt = encode_prompt(messages, tokenizer)
    runs = prompt_runs(prompt.text, prompt.input_ids, prompt.roles, messages)
    assert [run.text for run in runs if run.role != "template"] == [message["content"] for message in messages]
    assert "".join(run.text for run in runs) == prompt.text
    assert [token_id for run in runs for token_id in run.ids] == prompt.input_ids


@pytest.mark.parametrize(
    ("prompt", "roles"),
    [
        ("USER: BYE", ["template", "template", "user", "template"]),  # the message is not in it
        ("User: Bye", ["template", "template", "user", "template"]),  # nothing is left for the last id
        ("User: Bye\nBot:", ["user", "template", "user", "template"]),  # one id is nobody's
    ],
)
def test_a_prompt_whose_parts_cannot_be_found_is_shown_in_one_piece(prompt, roles):
    trace = some_trace(prompt=prompt, roles=roles)
    assert {run.text for run in xray_data(trace).runs} == {None}
    assert prompt.replace("\n", "⏎\n") in text_of(station(trace, "prompt"))
    assert len(re.findall(r"<i>\d+</i>", station(trace, "ids"))) == 4


# --- rules and sources


def finding(where, action):
    return {"where": where, "rule": "email", "action": action, "start": 0, "end": 3, "says": "It found an address."}


def test_what_the_rules_found_stands_at_the_station_where_they_looked():
    trace = some_trace(findings=[finding("input", "mask"), finding("output", "warn")])
    at = {name: re.findall(r"<b>(\w+)</b> by the rule email: It found", station(trace, name)) for name in NAMES}
    assert at == {name: [] for name in NAMES} | {"messages": ["mask"], "edits": ["warn"]}


def test_where_the_rules_changed_the_reply_the_edits_say_that_it_is_not_what_is_shown():
    assert "The rules changed this" in station(some_trace(text="I cannot say that."), "edits")
    assert "The rules changed this" not in station(some_trace(), "edits")


def test_what_was_typed_is_shown_beside_what_the_rules_left_of_it():
    drawn = text_of(station(some_trace(user_message="Bye a@b.c"), "messages"))
    assert "typedbefore the rules" in drawn and "Bye a@b.c" in drawn
    assert "before the rules" not in station(some_trace(), "messages")


def test_a_blocked_message_reached_no_station_in_between():
    blocked = some_trace(
        findings=[finding("input", "block")], finish_reason="blocked", text="No.", raw_text="",
        prompt="", input_ids=[], roles=[], kept=[], dropped=[], tokens=[], edits=[], user_ids=[],
    )  # fmt: skip
    reached = [name for name in NAMES if "Not reached" not in station(blocked, name)]
    assert reached == ["messages", "reply"]
    assert "a safety rule blocked it" in station(blocked, "reply")


def test_a_question_that_no_passage_fits_says_why_the_model_was_not_asked():
    trace = some_trace(prompt="", input_ids=[], roles=[], kept=[], tokens=[], edits=[], finish_reason="stop")
    assert "not asked: no passage fits" in station(trace, "reply")
    assert "not asked" not in station(some_trace(), "reply")


def test_a_reply_without_a_token_says_so():
    trace = some_trace(tokens=[], raw_text="", edits=[], text="")
    assert all("wrote no token" in station(trace, name) for name in ("logits", "the draw", "raw text"))


def test_sources_stand_beside_the_prompt_and_under_the_reply():
    source = {"number": 1, "source": "notes.txt", "place": "line 12", "text": "The sea is salty.", "score": 1.5}
    trace = some_trace(sources=[source])
    at = {name for name in NAMES if "The sea is salty." in station(trace, name)}
    assert at == {"what fits", "reply"}
    assert "notes.txt, line 12" in station(trace, "reply").replace("&#x27;", "'")


# --- long, hostile and damaged


def test_long_texts_show_their_beginning_and_end_and_how_much_is_between():
    shown = text_of(long_text("a" * 1000 + "b" * 1000, 300))
    assert shown == "a" * 200 + "… 1,700 characters …" + "b" * 100


@given(st.lists(st.integers(), max_size=40), st.integers(3, 20))
def test_a_list_that_is_split_loses_nothing(items, limit):
    first, between, last = split_ends(items, limit)
    assert [*first, *between, *last] == items
    assert len(first) + len(last) == min(limit, len(items))


def long_trace(n_turns=200, n_tokens=2000):
    turns = [{"role": role, "content": "word " * 20} for _ in range(n_turns) for role in ("user", "assistant")]
    messages = [*turns, {"role": "user", "content": "w " * 4000}]
    roles = [role for message in messages for role in ["template"] + [message["role"]] * 20]
    return some_trace(
        messages=messages, kept=messages, dropped=[], user_message="w " * 4000,
        prompt="".join("\n" + message["content"] for message in messages), roles=roles, input_ids=[7] * len(roles),
        tokens=[record(" word")] * n_tokens, raw_text=" word" * n_tokens, text=" word" * n_tokens, edits=[],
    )  # fmt: skip


def test_a_prompt_of_8000_tokens_and_a_long_reply_stay_short():
    trace = long_trace()
    assert len(trace.input_ids) > 8000
    data = xray_data(trace)
    drawn = [xray_html(data, place, token=1999) for place in range(len(STATIONS))]
    assert all(run.text is not None for run in data.runs)
    assert max(map(len, drawn)) < 150_000  # the longest: one piece of the prompt strip for each message
    assert "388 messages" in text_of(drawn[0])  # 401, of which 13 are shown
    assert "788 parts" in text_of(drawn[3]) or "789 parts" in text_of(drawn[3])
    assert "1,840 tokens" in text_of(drawn[6])


def test_hostile_text_is_shown_as_text_at_every_station():
    message = {"role": "user", "content": HOSTILE}
    trace = some_trace(
        model=HOSTILE, engine=HOSTILE, user_message=HOSTILE + "!", messages=[message], kept=[message],
        dropped=[message], prompt=HOSTILE, roles=["user"] * 4, raw_text=HOSTILE, text=HOSTILE,
        tokens=[record(HOSTILE, candidates=[candidate(2, HOSTILE, 1.0)]), record(HOSTILE, u=None, candidates=[])],
        edits=[{"name": "cut_loop", "before": HOSTILE + "a", "after": HOSTILE}],
        findings=[dict.fromkeys(("rule", "action", "says"), HOSTILE) | {"where": "input"}],
        sources=[{"number": 1, "source": HOSTILE, "place": HOSTILE, "text": HOSTILE, "score": 1}],
    )  # fmt: skip
    data = xray_data(trace)
    for token in (0, 1):
        drawn = whole_xray_html(data, token=token) + "".join(xray_html(data, n, token=token) for n in range(9))
        assert "<script" not in drawn and "\u202e" not in drawn


@pytest.mark.parametrize(
    "damage",
    [
        {"messages": ["Hi"]},
        {"kept": [{"role": "user"}]},
        {"dropped": [{"role": "user", "content": None}]},
        {"edits": [{"name": "x", "before": 1, "after": "y"}]},
        {"findings": [{"where": "input"}]},
        {"edits": [{"name": HOSTILE, "before": "x", "after": "y"}]},
        {"finish_reason": HOSTILE},
        {"sources": [[]]},
        {"input_ids": ["1"]},
        {"messages": [{"role": "boss", "content": "Hi"}]},
        {"roles": [None]},
        {"roles": ["boss"]},
        {"seconds": {"tokenization": "long"}},
        {"settings": {"max_length": "long"}},
        {"settings": {"temperature": [1]}},
        {"tokens": [record(u=1.5)]},
        {"tokens": [record(u="x")]},
        {"tokens": [record(text=None)]},
        {"tokens": [record(candidates=[candidate(2, "b", 0.3, logits=[1.0])])]},
        {"tokens": [record(candidates=[candidate(2, "b", 0.3, logits=["1"] * 6)])]},
        {"tokens": [record(candidates=[candidate(2, "b", None)])]},
    ],
)
def test_a_trace_with_a_part_that_is_none_is_one_sentence_that_names_it(damage):
    with pytest.raises(TraceError, match=f"damaged .{next(iter(damage))}"):
        xray_data(some_trace(**damage))


@pytest.mark.parametrize(("place", "token"), [(9, 0), (-1, 0), (True, 0), (0, 2), (4, -1), (4, None)])
def test_a_place_that_is_not_there_is_one_sentence(place, token):
    with pytest.raises(SettingsError, match="must be a whole number from 0 to"):
        xray_html(xray_data(some_trace()), place, token=token)


def test_the_whole_shows_all_stations_in_their_order():
    drawn = text_of(whole_xray_html(xray_data(some_trace())))
    places = [drawn.index(f"{number}   {name}") for number, name in enumerate(NAMES, start=1)]
    assert places == sorted(places)


@pytest.mark.parametrize(("value", "text"), [(1.234, "1.23"), (-9.306, "−9.31"), (None, "–"), (0, "0.00")])
def test_a_logit_is_shown_with_two_decimals(value, text):
    assert number_text(value) == text


# --- the real model


def test_the_trace_of_sixty_tokens_is_a_small_file_that_can_be_drawn(backbone, tmp_path):
    settings = GenerationSettings(max_new_tokens=60, temperature=1.0, top_p=0.95, seed=4)
    chat = Chat(backbone, settings=settings, history=LastTurns(1))
    steps = list(stream(backbone, chat.backbone.tokenizer("The sea is")["input_ids"], settings))
    from nanochat_helpers.trace import record_token

    tokens = [record_token(step, backbone.tokenizer, 0.01) for step in steps]
    trace = some_trace(tokens=tokens, raw_text="".join(token.text for token in tokens))
    assert xray_html(xray_data(trace), NAMES.index("the draw"))
    assert len(steps) == 60 or steps[-1].finish_reason == "stop"
    trace.save(tmp_path / "trace.json")
    assert (tmp_path / "trace.json").stat().st_size < 300_000
    json.loads((tmp_path / "trace.json").read_text("utf-8"))
