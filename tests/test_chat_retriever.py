"""A chat that looks something up first: what the prompt gets, what the conversation keeps, and what the reply shows."""

import pytest
from scripted import ScriptedBackbone

from nanochat_helpers.chat import Chat
from nanochat_helpers.errors import SettingsError
from nanochat_helpers.history import TokenBudget
from nanochat_helpers.passages import Passage
from nanochat_helpers.retrieval import NOTHING_FITS, Hit, Retriever
from nanochat_helpers.trace import Trace

BISCUIT = Hit(Passage("Biscuit is a dog.", "dogs.md", 1), 4.25)
TABBY = Hit(Passage("Tabby is a cat.", "cats.md", 2), 3.5)


def find(text):
    """Finds both passages for a question about them, and nothing for any other."""
    return [BISCUIT, TABBY] if "Biscuit" in text else []


@pytest.fixture
def chat():
    return Chat(ScriptedBackbone(["A dog.", "Brown."]), retriever=find)


def test_the_prompt_gets_the_passages_and_the_conversation_only_the_question(chat):
    reply = chat.send("Who is Biscuit?")
    assert reply.text == "A dog."
    assert all(hit.passage.text in reply.trace.prompt for hit in (BISCUIT, TABBY))
    assert "Who is Biscuit?" in reply.trace.kept[-1]["content"]
    assert chat.messages[1:] == [
        {"role": "user", "content": "Who is Biscuit?"},
        {"role": "assistant", "content": "A dog."},
    ]
    assert reply.trace.messages == chat.messages[:-1]


def test_the_reply_names_its_sources_the_best_first(chat):
    reply = chat.send("Who is Biscuit?")
    assert reply.sources == [
        {"number": 1, "source": "dogs.md", "place": 1, "text": "Biscuit is a dog.", "score": 4.25},
        {"number": 2, "source": "cats.md", "place": 2, "text": "Tabby is a cat.", "score": 3.5},
    ]
    assert repr(reply).splitlines()[1:3] == ["[1] dogs.md", "[2] cats.md"]
    assert "2 sources" in str(reply.trace)


def test_passages_of_one_turn_are_not_in_the_prompt_of_the_next(chat):
    chat.send("Who is Biscuit?")
    trace = chat.send("What colour is Biscuit?").trace
    assert trace.prompt.count(BISCUIT.passage.text) == 1


def test_where_nothing_fits_the_reply_says_so_and_the_model_is_not_asked(chat):
    pieces = list(chat.stream("How old is the moon?"))
    reply = chat.last_reply
    assert pieces == [reply.text] == [NOTHING_FITS]
    assert (reply.finish_reason, reply.sources, reply.trace.tokens) == ("stop", [], [])
    assert chat.backbone.calls == []
    assert chat.messages[-1] == {"role": "assistant", "content": NOTHING_FITS}
    assert chat.send("Who is Biscuit?").text == "A dog."


def test_old_turns_make_room_for_passages():
    chat = Chat(ScriptedBackbone("Fine."), retriever=find, history=TokenBudget(450))
    for number in range(12):
        trace = chat.send(f"{number} Biscuit?").trace
    assert trace.dropped
    assert BISCUIT.passage.text in trace.prompt
    assert len(trace.input_ids) <= 450


def test_the_trace_keeps_the_sources(chat, tmp_path):
    trace = chat.send("Who is Biscuit?").trace
    trace.save(tmp_path / "trace.json")
    assert Trace.load(tmp_path / "trace.json") == trace


def test_what_is_no_retriever_is_refused_before_anything_is_sent():
    with pytest.raises(SettingsError, match="retriever must be like Retriever"):
        Chat(ScriptedBackbone("Fine."), retriever=["dogs.md"])


def test_a_retriever_with_a_real_search_finds_the_passage_that_shares_words():
    from nanochat_helpers.retrieval import BM25Search

    search = BM25Search([BISCUIT.passage, TABBY.passage])
    chat = Chat(ScriptedBackbone("A dog."), retriever=Retriever(search, k=1, min_score=0.1))
    assert [source["source"] for source in chat.send("Is Biscuit a dog?").sources] == ["dogs.md"]
    assert chat.send("moon").text == NOTHING_FITS
