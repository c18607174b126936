"""When a reply ends, and what may be shown of it before."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scripted import IM_END, ScriptedBackbone

from nanochat_helpers.errors import SettingsError
from nanochat_helpers.settings import GenerationSettings
from nanochat_helpers.stopping import GrowingText, StopStringWatch


def grow(token_ids, settings=None, max_new_tokens=20, **options):
    reply = GrowingText(ScriptedBackbone(""), settings or GenerationSettings(), max_new_tokens, **options)
    pieces = []
    for token_id in token_ids:
        pieces.append(reply.push(token_id))
        if reply.finish_reason:
            break
    return reply, pieces


def test_a_growing_text_ends_at_the_end_token():
    reply, pieces = grow([*b"Hi", IM_END, *b"more"])
    assert (reply.text, reply.finish_reason, reply.token_ids) == ("Hi", "stop", [*b"Hi", IM_END])
    assert "".join(pieces) == "Hi"


def test_a_growing_text_ends_at_its_length_and_gives_what_was_waiting():
    reply, pieces = grow(b"Hi\nUs", GenerationSettings(stop=("\nUser:",)), max_new_tokens=5)
    assert pieces == ["H", "i", "", "", "\nUs"]
    assert (reply.text, reply.finish_reason) == ("Hi\nUs", "length")


def test_a_growing_text_ends_before_a_stop_string():
    reply, _ = grow(b"Hi\nUser: Yes", GenerationSettings(stop=("\nUser:",)))
    assert (reply.text, reply.finish_reason) == ("Hi", "stop_string")


def test_the_watch_by_hand():
    watch = StopStringWatch(("\nUser:",))
    assert watch.push("Hi\nUs") == "Hi"
    assert watch.push("ual") == "\nUsual"
    assert not watch.found
    assert watch.push("\nUser: And") == ""
    assert watch.found
    assert watch.flush() == ""


@given(
    st.lists(st.text(alphabet="abc", max_size=4), max_size=8),
    st.lists(st.text(alphabet="abc", min_size=1, max_size=4), max_size=3),
)
@example(["a", "ab"], ["aab"])
@example(["ab"], ["abc", "b"])
def test_the_watch_lets_through_what_stands_before_the_first_stop_string(parts, stop):
    watch, shown = StopStringWatch(tuple(stop)), ""
    for part in parts:
        shown += watch.push(part)
        if watch.found:
            break
    else:
        shown += watch.flush()
    # Naive: after each part, look at all the text so far.
    text = ""
    for part in parts:
        text += part
        starts = [text.find(string) for string in stop if string in text]
        if starts:
            assert (shown, watch.found) == (text[: min(starts)], True)
            return
    assert (shown, watch.found) == (text, False)


@given(st.text(alphabet="ab", max_size=12))
def test_the_watch_holds_back_no_more_than_it_must(text):
    watch = StopStringWatch(("abb",))
    shown = watch.push(text)
    if not watch.found:
        held = text[len(shown) :]
        assert "abb".startswith(held)
        longest = next(n for n in (2, 1, 0) if text.endswith("abb"[:n]))
        assert len(held) == longest


def test_a_single_stop_string_is_one_text_and_not_its_letters():
    watch = StopStringWatch("\nQ:")
    assert [watch.push(piece) for piece in ("Q: a", "\n", "b", "\nQ", ":")] == ["Q: a", "", "\nb", "", ""]
    assert watch.found


def test_a_watch_for_an_empty_text_is_refused():
    with pytest.raises(SettingsError, match="stop"):
        StopStringWatch([""])
