"""A summary that a model writes, and old turns that a search finds, for the strategies of `history`."""

import pytest
from scripted import ByteTokenizer, ScriptedBackbone

from nanochat_helpers.chat import Chat
from nanochat_helpers.errors import SettingsError
from nanochat_helpers.history import RelevantTurns, RunningSummary
from nanochat_helpers.memory import find_turns_with, summarise_with, summary_request
from nanochat_helpers.retrieval import BM25Search, Hit
from nanochat_helpers.settings import GenerationSettings


def message(role, content):
    return {"role": role, "content": content}


TALK = [message("user", "My dog is Biscuit."), message("assistant", "A lovely name!")]


# --- a summary


def test_the_model_is_asked_once_with_what_was_said_and_the_summary_so_far():
    content = summary_request("They met.", TALK)[0]["content"]
    assert content.index("Summary so far: They met.") < content.index("User: My dog is Biscuit.\nAssistant: A lovely")
    assert "so far" not in summary_request("", TALK)[0]["content"]


@pytest.mark.parametrize("engine", ["transformers", "llama.cpp"])
def test_the_summary_is_what_the_model_writes_cleaned(engine):
    backbone = ScriptedBackbone("  A dog,  Biscuit.\n", engine=engine)
    assert summarise_with(backbone)("", TALK) == "A dog,  Biscuit."
    assert "My dog is Biscuit." in backbone.tokenizer.decode(backbone.calls[0])


def test_a_summary_is_short_and_always_the_same_unless_settings_say_otherwise():
    endless = ScriptedBackbone("word " * 100)
    assert len(summarise_with(endless)("", TALK)) <= 48
    assert len(summarise_with(ScriptedBackbone("x" * 100), GenerationSettings(max_new_tokens=7))("", TALK)) == 7


def test_many_messages_are_summed_up_in_parts_that_the_model_can_read():
    backbone = ScriptedBackbone(["one", "two", "three"])
    assert summarise_with(backbone)("", [message("user", "x" * 450)] * 5) == "three"
    asked = [backbone.tokenizer.decode(ids) for ids in backbone.calls if ids[-1] == ord("\n")]
    assert [text.count("User: ") for text in asked] == [2, 1, 2]
    assert "so far" not in asked[0] and "Summary so far: two" in asked[2]


def test_of_one_message_that_is_too_long_the_beginning_is_summed_up():
    backbone = ScriptedBackbone("Long.", context_length=1500)
    assert summarise_with(backbone)("", [message("user", "My dog is Biscuit. " + "And so on. " * 500)]) == "Long."
    assert "My dog is Biscuit." in backbone.tokenizer.decode(backbone.calls[0])


def test_a_base_model_ends_its_summary_where_it_would_speak_for_the_user():
    base = ScriptedBackbone("A dog.\nUser: And", tokenizer=ByteTokenizer(is_chat=False))
    assert summarise_with(base)("", TALK) == "A dog."


def test_a_chat_with_a_running_summary_carries_it_in_the_system_message():
    chat = Chat(ScriptedBackbone("Fine."), system="Be brief.")
    chat.history = RunningSummary(summarise_with(ScriptedBackbone(["first", "second"])), 0)
    for text in ("one", "two", "three"):
        chat.send(text)
    assert chat.last_reply.trace.kept[0]["content"] == "Be brief.\n\nWhat was said before: second"
    assert chat.last_reply.trace.dropped == chat.messages[1:5]


def test_the_real_model_writes_a_summary_that_is_not_empty(backbone):
    assert summarise_with(backbone, GenerationSettings(do_sample=False, max_new_tokens=12))("", TALK)


# --- a search


class LongestFirst:
    """A toy search: the longest passages first, whatever is asked."""

    def __init__(self, passages):
        self.passages = passages

    def search(self, query, k=3):
        return [Hit(passage, 1.0) for passage in sorted(self.passages, key=lambda p: -len(p.text))][:k]


def test_places_are_those_of_the_turns_best_first():
    assert find_turns_with(LongestFirst)("question", ["aa", "a", "aaa"]) == [2, 0, 1]


def test_turns_with_equal_texts_are_told_apart_and_empty_ones_left_out():
    assert find_turns_with(LongestFirst)("question", ["a", " ", "a", ""]) == [0, 2]


def test_nothing_to_search_in_or_for_finds_nothing():
    assert find_turns_with(BM25Search)("question", []) == find_turns_with(BM25Search)(" ", ["a dog"]) == []


def test_what_makes_no_search_is_refused():
    with pytest.raises(SettingsError, match="search='BM25' is not allowed: it must be a function"):
        find_turns_with("BM25")


@pytest.mark.parametrize("turns", [["the and of"], ["…"], ["!", "?"]])
def test_turns_without_a_word_that_counts_are_no_trouble(turns):
    assert find_turns_with(BM25Search)("Where is the dog?", turns) == []


def test_search_by_words_brings_the_turn_back_that_the_question_is_about():
    turns = [TALK, [message("user", "What do bees make?"), message("assistant", "Honey.")]] * 3
    messages = [*(said for turn in turns for said in turn), message("user", "What is my dog called?")]
    strategy = RelevantTurns(find_turns_with(BM25Search), n=1, max_history=0)
    assert strategy(messages, len, 100).messages == [*TALK, messages[-1]]
