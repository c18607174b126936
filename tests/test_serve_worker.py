"""One model for many: each gets an own answer in turn, the line has an end, and who leaves makes room at once."""

import threading
import time

import pytest
from scripted import ScriptedBackbone
from serving import HELLO, echo, endless, until

from nanochat_helpers.chat import Chat
from nanochat_helpers.errors import (
    BusyError,
    CannotChatError,
    ContextError,
    EngineError,
    MessageError,
    ModelError,
    SettingsError,
)
from nanochat_helpers.serve.worker import ModelWorker, Piece
from nanochat_helpers.settings import GenerationSettings

SHORT = GenerationSettings(max_new_tokens=5)


def say(text):
    return [{"role": "user", "content": text}]


def test_the_pieces_are_the_reply_and_then_it_can_be_looked_into():
    answer = ModelWorker(ScriptedBackbone("Hello!")).stream(HELLO)
    assert list(answer) == list("Hello!")
    assert (answer.reply.text, answer.reply.finish_reason) == ("Hello!", "stop")
    assert answer.reply.trace.messages[-1] == HELLO[0]


def test_it_is_the_reply_that_a_chat_gives():
    chat = Chat(ScriptedBackbone("Hello!"), settings=SHORT)
    answer = ModelWorker(ScriptedBackbone("Hello!")).stream(HELLO, SHORT)
    assert "".join(answer) == "".join(chat.stream("Hi"))
    assert answer.reply.trace.input_ids == chat.last_reply.trace.input_ids
    assert answer.reply.finish_reason == "length"


@pytest.mark.parametrize("system", ["Be brief.", ""])
def test_a_system_message_takes_the_place_of_the_usual_one(system):
    backbone = ScriptedBackbone("Hello!")
    messages = [{"role": "system", "content": system}, *say("One"), {"role": "assistant", "content": "1"}, *say("Two")]
    answer = ModelWorker(backbone).stream(messages)
    list(answer)
    assert answer.reply.trace.messages == [message for message in messages if message["content"]]


def test_an_answer_can_be_gone_through_again():
    answer = ModelWorker(ScriptedBackbone("Hi")).stream(HELLO)
    assert (list(answer), list(answer)) == (["H", "i"], [])


def test_put_gets_a_first_empty_piece_then_one_a_token_and_none_at_the_end():
    pieces = []
    ModelWorker(ScriptedBackbone("Hi")).stream(HELLO, put=pieces.append)
    assert until(lambda: None in pieces)
    assert pieces[0] == Piece("")
    assert [piece.text for piece in pieces[1:-1]] == ["H", "i", ""]
    assert [piece.token_id for piece in pieces[1:-1]] == [72, 105, 257]
    assert pieces[1].top_tokens[0] == (72, pytest.approx(1))


def test_many_at_once_get_their_own_answers_one_after_another():
    worker, said = ModelWorker(echo(0.001), max_waiting=50), {}

    def ask(number):
        said[number] = "".join(worker.stream(say(f"number {number}")))

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert said == {number: f"number {number}" for number in range(20)}
    assert until(lambda: worker.is_free)


def test_whoever_waits_is_told_how_many_are_before_and_moves_up():
    worker = ModelWorker(endless(), max_waiting=2)
    first, second, third = (worker.stream(HELLO) for _ in range(3))
    assert until(lambda: (first.before, second.before, third.before) == (0, 1, 2))
    first.cancel()
    assert until(lambda: (second.before, third.before) == (0, 1))
    second.cancel()
    assert until(lambda: third.before == 0)
    third.cancel()
    assert until(lambda: worker.is_free) and third.before == 0


@pytest.mark.parametrize("max_waiting", [0, 2])
def test_a_full_line_is_told_when_to_come_again(max_waiting):
    worker = ModelWorker(endless(), max_waiting=max_waiting)
    answers = [worker.stream(HELLO) for _ in range(max_waiting + 1)]
    how_many = f"at most {max_waiting}" if max_waiting else "nobody"
    with pytest.raises(BusyError, match=f"busy, and {how_many} may wait for it: .* seconds") as full:
        worker.stream(HELLO)
    assert 1 <= full.value.retry_after <= 60
    assert type(full.value.retry_after) is int
    for answer in answers:
        answer.cancel()
    assert until(lambda: worker.is_free)
    worker.stream(HELLO).cancel()


def test_whoever_has_heard_the_end_may_ask_again_at_once():
    worker = ModelWorker(ScriptedBackbone("Hi"), max_waiting=0)
    for _ in range(50):
        assert "".join(worker.stream(HELLO)) == "Hi"


def test_who_leaves_the_line_makes_room_at_once_and_the_model_never_hears_of_it():
    backbone = endless()
    worker = ModelWorker(backbone, max_waiting=1)
    first, second = worker.stream(HELLO), worker.stream(say("second"))
    assert until(lambda: worker.waiting == 1)
    second.cancel()
    assert worker.waiting == 0
    assert list(second) == []
    third = worker.stream(say("third"))
    for answer in (first, third):
        answer.cancel()
    assert until(lambda: worker.is_free)
    assert not any(b"second" in bytes(i for i in ids if i < 256) for ids in backbone.calls)
    assert second.reply is None


def test_a_cancelled_reply_frees_the_model_at_its_next_token():
    backbone = endless()
    worker = ModelWorker(backbone)
    answer = worker.stream(HELLO)
    pieces = iter(answer)
    next(pieces)
    answer.cancel()
    written = len(backbone.calls)
    assert until(lambda: worker.is_free)
    assert len(backbone.calls) <= written + 1
    list(pieces)
    assert answer.reply.finish_reason == "cancelled"


def test_leaving_the_loop_cancels():
    worker = ModelWorker(endless())
    for _ in worker.stream(HELLO):
        break
    assert until(lambda: worker.is_free)


def test_an_event_of_ones_own_cancels_while_one_waits_and_while_one_is_served():
    worker, event = ModelWorker(endless()), threading.Event()
    running, waiting = worker.stream(HELLO, cancel=event), worker.stream(HELLO, cancel=event)
    threading.Timer(0.05, event.set).start()
    assert list(waiting) == []
    assert set(running) == {"."}
    assert running.reply.finish_reason == "cancelled"
    assert until(lambda: worker.is_free)


def test_a_reply_that_ends_well_leaves_the_event_alone():
    event = threading.Event()
    list(ModelWorker(ScriptedBackbone("Hi")).stream(HELLO, cancel=event))
    assert not event.is_set()


def test_an_error_reaches_the_one_who_asked_and_nobody_else():
    worker = ModelWorker(ScriptedBackbone("Hi", context_length=80))
    with pytest.raises(ContextError):
        list(worker.stream(say("x" * 100)))
    assert "".join(worker.stream([{"role": "system", "content": ""}, *HELLO])) == "Hi"


def test_a_defect_of_the_model_does_not_end_the_worker():
    def broken(input_ids):
        raise ZeroDivisionError

    backbone = ScriptedBackbone(broken)
    worker = ModelWorker(backbone)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            list(worker.stream(HELLO))


@pytest.mark.parametrize(
    "messages",
    [[], [{"role": "system", "content": "x"}], [*HELLO, {"role": "assistant", "content": "x"}], [{"role": "user"}], 3],
)
def test_messages_that_ask_for_nothing_are_refused_before_the_line(messages):
    worker = ModelWorker(ScriptedBackbone("Hi"))
    with pytest.raises(MessageError):
        worker.stream(messages)
    assert worker.is_free


def test_what_llama_cpp_cannot_do_is_refused_before_the_line():
    worker = ModelWorker(ScriptedBackbone("Hi", engine="llama.cpp"))
    with pytest.raises(EngineError, match="penalise_prompt"):
        worker.stream(HELLO, GenerationSettings(repetition_penalty=1.2, penalise_prompt=False))


def test_a_model_that_cannot_write_is_refused_at_once():
    with pytest.raises(CannotChatError):
        ModelWorker(ScriptedBackbone("Hi", family="encoder"))
    with pytest.raises(ModelError, match="load_model"):
        ModelWorker("smollm2")
    with pytest.raises(SettingsError, match="max_waiting=-1"):
        ModelWorker(ScriptedBackbone("Hi"), max_waiting=-1)


def test_a_worker_without_work_ends_its_thread_and_starts_another(monkeypatch):
    monkeypatch.setattr("nanochat_helpers.serve.worker.IDLE_SECONDS", 0.01)
    worker = ModelWorker(ScriptedBackbone("Hi"))
    names = lambda: [thread.name for thread in threading.enumerate()]  # noqa: E731
    before = names().count("model worker")
    for _ in range(3):
        assert "".join(worker.stream(HELLO)) == "Hi"
        assert until(lambda: worker._thread is None and names().count("model worker") <= before)


def test_llama_cpp_can_be_stopped_while_it_reads_a_long_prompt(llama_cpp_backbone):
    worker = ModelWorker(llama_cpp_backbone)
    started = threading.Event()
    answer = worker.stream(say("one two three " * 900), put=lambda piece: started.set())
    assert started.wait(5)
    start = time.perf_counter()
    answer.cancel()
    assert until(lambda: worker.is_free, 20)
    stopped = time.perf_counter() - start
    start = time.perf_counter()
    assert "".join(worker.stream(say("one two three " * 90), GenerationSettings(max_new_tokens=2, seed=1)))
    assert answer.reply is None or answer.reply.trace.tokens == []
    assert stopped < time.perf_counter() - start  # reading a tenth of it takes longer
