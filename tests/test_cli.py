"""The nanochat command: what it prints, one line for each mistake, its exit codes, and a conversation in a terminal."""

import io
import json
import os
import re
import select
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import pytest
from packaging.version import Version
from scripted import ScriptedBackbone

from nanochat_helpers import cli
from nanochat_helpers.chat import Reply
from nanochat_helpers.errors import SettingsError, TraceError
from nanochat_helpers.terminal import one_line, printable, read_settings, save_trace
from nanochat_helpers.trace import Trace
from nanochat_helpers.workflow import EXAMPLE_WORKFLOW

CAPITAL = "What is the capital of France?"
TESTS = Path(__file__).parent
COMMANDS = [
    [],
    ["chat"],
    ["run"],
    ["doctor"],
    ["serve"],
    ["gui"],
    ["models"],
    ["models", "list"],
    ["models", "fetch"],
    ["models", "remove"],
    ["sheets"],
    ["sheets", "build"],
    ["sheets", "verify"],
    ["sheets", "list"],
    ["grade"],
    ["bundle"],
    ["slides"],
    ["site"],
    ["repository"],
]


class Result(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def nanochat(monkeypatch, capsys):
    """Run the command in this process; `backbone` stands in for whatever model it would load."""

    def run(*arguments, stdin=b"", backbone=None):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin), encoding="utf-8"))
        if backbone:
            monkeypatch.setattr("nanochat_helpers.chat.load_chat_model", lambda *_, **__: backbone)
        with pytest.raises(SystemExit) as left:
            cli.main(list(arguments))
        return Result(left.value.code, *capsys.readouterr())

    return run


def as_text(input_ids):
    return bytes(token_id for token_id in input_ids if token_id < 256).decode()


def is_one_helpful_line(err, *words):
    said = err.lower()  # typer's versions differ in capital letters
    return err.startswith("nanochat: ") and err.count("\n") == 1 and all(word.lower() in said for word in words)


# --- help


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: " ".join(command) or "nanochat")
def test_every_command_has_help_with_an_example(nanochat, command):
    code, out, err = nanochat(*command, "--help")
    assert (code, err) == (0, "")
    assert "Usage: nanochat" in out
    assert " ".join(["Example: nanochat", *command]) in out


def test_without_a_command_it_shows_its_help(nanochat):
    assert nanochat() == nanochat("--help")


def test_every_setting_is_an_option(nanochat):
    out = nanochat("chat", "--help").out
    from dataclasses import fields

    from nanochat_helpers.settings import GenerationSettings

    assert [f.name for f in fields(GenerationSettings) if f"--{f.name.replace('_', '-')} " not in out] == []


def test_help_loads_nothing_heavy():
    heavy = ["torch", "transformers", "numpy", "matplotlib", "ipywidgets", "huggingface_hub"]
    look = f"import sys, nanochat_helpers.cli; print([name for name in {heavy} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", look], capture_output=True, text=True).stdout.strip() == "[]"


# --- chat with one message


def test_one_message_prints_just_the_reply(nanochat):
    assert nanochat("chat", "Hi", backbone=ScriptedBackbone(" Hello!\n")) == (0, "Hello!\n", "")


def test_options_reach_the_model(nanochat):
    result = nanochat("chat", "Hi", "--max-new-tokens", "6", "--stop", "o", backbone=ScriptedBackbone("Hell, oh"))
    assert (result.code, result.out) == (0, "Hell,\n")
    result = nanochat("chat", "Hi", "--max-new-tokens", "9", backbone=ScriptedBackbone("One. And two", ends=False))
    assert (result.code, result.out) == (0, "One.\n")
    assert "length" in result.err


def test_the_system_message_reaches_the_model(nanochat):
    backbone = ScriptedBackbone("Hello!")
    nanochat("chat", "Hi", "--system", "Talk like a pirate.", backbone=backbone)
    assert "Talk like a pirate." in as_text(backbone.calls[0])


def test_a_control_token_that_is_typed_stays_text(nanochat):
    backbone = ScriptedBackbone("Hello!")
    assert nanochat("chat", "Bye<|im_end|>", backbone=backbone).code == 0
    assert backbone.calls[0].count(257) == 2  # after the system message and after the user's, by the template


def test_model_text_cannot_steer_the_terminal(nanochat):
    out = nanochat("chat", "Hi", backbone=ScriptedBackbone("\x1b[2J\x1b]0;owned\x07red\rblack\u202e")).out
    assert out == "\\x1b[2J\\x1b]0;owned\\x07red\\rblack\\u202e\n"


def test_printable_leaves_ordinary_text_alone():
    text = "Zoë: 汉字 👩‍🚀\n\tעברית"
    assert printable(text) == text
    assert one_line(" a\n b\x1b ") == "a b\\x1b"


def test_a_terminal_without_unicode_is_served(nanochat, monkeypatch):
    terminal = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(terminal, encoding="ascii"))
    assert nanochat("chat", "Hi", backbone=ScriptedBackbone("汉字")).code == 0
    assert terminal.getvalue() == rb"\u6c49\u5b57" + b"\n"


def test_a_model_on_a_server_is_one_option_away(nanochat, monkeypatch):
    asked = []
    backbone = ScriptedBackbone("Far away.")
    monkeypatch.setattr("nanochat_helpers.backbones.remote.connect", lambda *said: asked.append(said) or backbone)
    assert nanochat("chat", "Hi", "--server", "http://there/v1", "--model", "big") == (0, "Far away.\n", "")
    assert asked == [("http://there/v1", "big")]


def test_an_engine_for_a_model_on_a_server_is_refused(nanochat):
    code, out, err = nanochat("chat", "Hi", "--server", "http://there/v1", "--engine", "llama.cpp")
    assert (code, out) == (2, "")
    assert is_one_helpful_line(err, "--engine", "leave it out")


def test_a_server_that_is_no_address_is_one_line(nanochat):
    code, out, err = nanochat("chat", "Hi", "--server", "there")
    assert (code, out) == (2, "")
    assert is_one_helpful_line(err, "'there' is no address of a server", "http://")


# --- chat from a pipe


def test_each_line_of_a_pipe_is_a_message_of_one_conversation(nanochat):
    backbone = ScriptedBackbone(["One.", "Two."])
    assert nanochat("chat", stdin="hi\n\n再见\n/quit\nmore\n".encode(), backbone=backbone) == (0, "One.\nTwo.\n", "")
    assert "hi" in as_text(backbone.calls[-1]) and "再见" in as_text(backbone.calls[-1])


def test_commands_work_in_a_pipe(nanochat, tmp_path):
    backbone = ScriptedBackbone(["One.", "Two."])
    lines = (
        f"hi\n/settings temperature=0.2 top_p=1 stop=END\n/trace {tmp_path}/a trace.json\n/reset\nbye\n/help\n/trace\n"
    )
    code, out, err = nanochat("chat", stdin=lines.encode(), backbone=backbone)
    assert code == 0
    assert "temperature = 0.2\n" in out and "top_p = 1\n" in out and "stop = ('END',)\n" in out
    assert "/settings temperature=0.2" in out  # the help
    assert "6 post-processing" in out  # the trace
    assert "hi" not in as_text(backbone.calls[-1])
    assert Trace.load(tmp_path / "a trace.json").text == "One."
    assert "forgotten" in err


@pytest.mark.parametrize(
    "line, words",
    [
        (b"/rest", ["/rest", "/reset"]),
        (b"/settings temperature=-1", ["temperature=-1", "allowed"]),
        (b"/settings temprature=1", ["'temperature'"]),
        (b"/settings temperature", ["'temperature'", "name=value"]),
        (b'/settings stop="', ["quotation mark"]),
        (b"/trace", ["no reply yet"]),
        (b"", ["empty"]),
        (b" \n\n", ["empty"]),
        (b"a\0b", ["NUL"]),
        (b"caf\xe9", ["not UTF-8", "position 3"]),
        (b"/settings top_k=1 top_k=2", ["top_k", "twice"]),
    ],
)
def test_a_bad_line_in_a_pipe_is_one_line_on_stderr(nanochat, line, words):
    code, out, err = nanochat("chat", stdin=line, backbone=ScriptedBackbone("Hello!"))
    assert (code, out) == (2, "")
    assert is_one_helpful_line(err, *words)


def test_a_trace_that_cannot_be_saved_is_one_line_on_stderr(nanochat, tmp_path):
    result = nanochat("chat", stdin=f"hi\n/trace {tmp_path}\n".encode(), backbone=ScriptedBackbone("Hello!"))
    assert result.code == 2 and is_one_helpful_line(result.err, str(tmp_path), "another file")


@pytest.mark.parametrize("typed", ["{}/a b.json", '"{}/a b.json"', "~/a b.json"])
def test_a_trace_is_saved_where_a_shell_would_put_it(nanochat, monkeypatch, tmp_path, typed):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    line = f"hi\n/trace {typed.format(tmp_path)}\n"
    assert nanochat("chat", stdin=line.encode(), backbone=ScriptedBackbone("Hello!")).code == 0
    assert Trace.load(tmp_path / "a b.json").text == "Hello!"


@pytest.mark.parametrize("leave", ["/quit", "/exit", "/Quit", " /quit now"])
def test_it_leaves_however_that_is_written(nanochat, leave):
    result = nanochat("chat", stdin=f"hi\n{leave}\nmore\n".encode(), backbone=ScriptedBackbone("Hello!"))
    assert result == (0, "Hello!\n", "")


def test_after_a_reset_there_is_nothing_to_trace(nanochat):
    code, out, err = nanochat("chat", stdin=b"hi\n/reset\n/trace\n", backbone=ScriptedBackbone("Hello!"))
    assert (code, out) == (2, "Hello!\n")
    assert "no reply yet" in err


def test_it_says_when_old_turns_were_left_out(nanochat):
    backbone = ScriptedBackbone("Yes.", context_length=300)
    lines = "".join(f"message number {number}, which is rather long\n" for number in range(5))
    code, out, err = nanochat("chat", "--max-new-tokens", "20", stdin=lines.encode(), backbone=backbone)
    assert (code, out) == (0, "Yes.\n" * 5)
    assert re.findall(r"(\d) earlier messages no longer fit", err) == ["6", "8"]  # four turns at a time


def test_settings_are_read_as_they_are_typed():
    typed = "temperature=0.2 top_k=5 do_sample=false seed=none stop='a b' max_length=many"
    assert read_settings(typed) == {
        "temperature": 0.2,
        "top_k": 5,
        "do_sample": False,
        "seed": None,
        "stop": ("a b",),
        "max_length": "many",
    }
    assert read_settings("stop=") == {"stop": ()}
    assert read_settings(r"stop=a stop='\n' stop=\t. stop='\\n'") == {"stop": ("a", "\n", "\t.", r"\n")}
    with pytest.raises(SettingsError, match="name=value"):
        read_settings("hot")


# --- mistakes on the command line

MISTAKES = {
    "empty message": (["chat", ""], ["empty"]),
    "blank message": (["chat", " \t "], ["empty"]),
    "NUL byte": (["chat", "a\0b"], ["NUL", "position 1"]),
    "lone surrogate": (["chat", "a\ud800"], ["lone surrogate", "position 1"]),
    "damaged system message": (["chat", "Hi", "--system", "\ud800"], ["system message", "lone surrogate"]),
    "negative temperature": (["chat", "Hi", "--temperature", "-1"], ["temperature=-1.0", "from 0.00001"]),
    "NaN": (["chat", "Hi", "--temperature", "nan"], ["temperature=nan"]),
    "top_p of 2": (["chat", "Hi", "--top-p", "2"], ["top_p=2.0", "between 0 and 1"]),
    "no number": (["chat", "Hi", "--temperature", "hot"], ["--temperature", "'hot'", "nanochat chat --help"]),
    "no whole number": (["chat", "Hi", "--seed=1.5"], ["--seed", "'1.5'", "nanochat chat --help"]),
    "empty stop string": (["chat", "Hi", "--stop", ""], ["stop"]),
    "unknown option": (["chat", "Hi", "--temprature", "1"], ["--temprature", "--temperature", "chat --help"]),
    "unknown engine": (["chat", "Hi", "--engine", "cuda"], ["cuda", "llama.cpp"]),
    "unknown command": (["caht"], ["caht", "nanochat --help"]),
    "model with a typo": (["chat", "Hi", "--model", "smolm2"], ["smolm2", "smollm2"]),
    "an encoder": (["chat", "Hi", "--model", "minilm"], ["minilm", "encoder", "search", "smollm2"]),
    "too many words": (["chat", "Hi", "there"], ["there", "in quotes"]),
    "a message like an option": (["chat", "-5 + 3"], ["-5", "put -- before it"]),
    "a message like a long option": (["chat", "--hello there"], ["put -- before it"]),
    "bytes that are no text": (["chat", "caf\udce9"], ["not UTF-8"]),
    "no workflow": (["run"], ["WORKFLOW.json", "nanochat run --help"]),
    "no message": (["run", str(EXAMPLE_WORKFLOW)], ["message"]),
    "no such file": (["run", "none.json", "Hi"], ["none.json", "file"]),
    "a folder": (["run", str(TESTS), "Hi"], [str(TESTS), "file"]),
    "not JSON": (["run", __file__, "Hi"], ["not JSON", "line 1, column 3"]),
    "a trace in no folder": (["run", str(EXAMPLE_WORKFLOW), "Hi", "--trace", "/none/x.json"], ["no folder '/none'"]),
    "a trace in place of a folder": (["run", str(EXAMPLE_WORKFLOW), "Hi", "--trace", str(TESTS)], ["it is a folder"]),
    "blank message to a workflow": (["run", str(EXAMPLE_WORKFLOW), " "], ["empty"]),
    "workflow with a model's typo": (["run", str(EXAMPLE_WORKFLOW), "Hi", "--model", "smolm2"], ["smollm2"]),
    "fetch without a name": (["models", "fetch"], ["name", "models fetch --help"]),
    "fetch an unknown model": (["models", "fetch", "smolm2"], ["smollm2"]),
    "remove an unknown model": (["models", "remove", "smolm2"], ["smollm2"]),
}


@pytest.mark.parametrize("arguments, words", MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_one_line_on_stderr_before_any_model_is_loaded(nanochat, monkeypatch, arguments, words):
    monkeypatch.delattr("nanochat_helpers.chat.load_model")
    code, out, err = nanochat(*arguments)
    assert (code, out) == (2, "")
    assert is_one_helpful_line(err, *words), err
    assert "itself failed" not in err


def test_a_message_longer_than_the_context_is_refused(nanochat):
    code, out, err = nanochat("chat", "x" * 3000, backbone=ScriptedBackbone("Hello!"))
    assert (code, out) == (2, "")
    assert is_one_helpful_line(err, "shorter")


def test_an_error_nobody_foresaw_is_one_line_too(nanochat, monkeypatch):
    def fail(_):
        raise ZeroDivisionError("oh\nno")

    result = nanochat("chat", "Hi", backbone=ScriptedBackbone(fail))
    assert result.code == 2 and is_one_helpful_line(result.err, "ZeroDivisionError: oh no", "NANOCHAT_DEBUG")
    monkeypatch.setenv("NANOCHAT_DEBUG", "1")
    with pytest.raises(ZeroDivisionError):
        cli.main(["chat", "Hi"])


# --- run


def test_run_answers_with_another_model_in_place(nanochat, tmp_path):
    backbone, path = ScriptedBackbone("Hello!"), tmp_path / "trace.json"
    spec = json.loads(EXAMPLE_WORKFLOW.read_text(encoding="utf-8"))
    spec["steps"][3]["parameters"]["max_length"] = 200
    arguments = ["run", "-", "Hello NanoChat!", "--model", "smollm2", "--trace", str(path)]
    code, out, err = nanochat(*arguments, stdin=json.dumps(spec).encode(), backbone=backbone)
    assert (code, out) == (0, "Hello!\n")
    assert "trace" in err
    assert Trace.load(path).user_message == "Hello NanoChat!"


def test_run_names_the_step_of_a_mistake(nanochat):
    code, out, err = nanochat("run", "-", "Hi", stdin=b'{"steps": [{"step": "tokenise"}]}')
    assert (code, out) == (2, "")
    assert is_one_helpful_line(err, "Step 1", "tokenise", '"tokenize"')


def test_run_offline_without_distilgpt2_offers_another_model(nanochat, monkeypatch, tmp_path):
    monkeypatch.setenv("NANOCHAT_CACHE", str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    code, out, err = nanochat("run", str(EXAMPLE_WORKFLOW), "Hello NanoChat!")
    assert (code, out) == (2, "")
    assert is_one_helpful_line(err, "distilgpt2", "not on this machine", "--model smollm2")


# --- models and doctor


def test_models_lists_sizes_and_says_where_they_are(nanochat, monkeypatch, tmp_path):
    monkeypatch.setenv("NANOCHAT_CACHE", str(tmp_path))
    code, out, _ = nanochat("models")
    assert code == 0
    assert re.search(r"^smollm2 +no +93 MB +Apache-2.0", out, re.MULTILINE)
    assert str(tmp_path) in out
    assert nanochat("models", "list").out == out
    assert "was not on this machine" in nanochat("models", "remove", "smollm2").out


def test_doctor_says_what_to_fix(nanochat, monkeypatch, tmp_path):
    monkeypatch.setenv("NANOCHAT_CACHE", str(tmp_path))
    code, out, err = nanochat("doctor")
    assert (code, err) == (1, "")
    assert "nanochat models fetch smollm2" in out
    report = json.loads(nanochat("doctor", "--json").out)
    assert report["ok"] is False
    findings = {finding["name"]: finding for finding in report["findings"]}
    assert {"python", "torch", "transformers", "memory", "cache", "smollm2"} <= set(findings)
    assert findings["smollm2"]["fix"] and not findings["python"]["fix"]


def test_doctor_finds_a_damaged_file_and_a_broken_engine(monkeypatch, tmp_path):
    from nanochat_helpers import doctor, models
    from nanochat_helpers.weights import cache

    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(b"1234")
    cache.seal(folder, name="toy")
    (folder / "model.safetensors").write_bytes(b"12")
    found = models.ModelFiles("toy", folder, None, models.CATALOGUE["smollm2"])
    monkeypatch.setattr(models, "find_model", lambda _: found)
    assert "models remove toy" in doctor.look_at_model("toy").fix

    def broken(*_, **__):
        raise ImportError("libllama.so: cannot open")

    monkeypatch.setattr(models, "load_model", broken)
    monkeypatch.setattr(models, "engine_available", lambda _: True)
    assert "libllama.so" in doctor.look_at_engine("llama.cpp", "toy", measure=True).fix


def test_doctor_times_the_engines_of_a_healthy_machine(nanochat, monkeypatch):
    from nanochat_helpers import doctor, models

    monkeypatch.setattr(doctor, "look_at_model", lambda name: doctor.Finding(name, "complete"))
    monkeypatch.setattr(models, "engine_available", lambda _: True)
    monkeypatch.setattr(models, "load_model", lambda *_, **__: ScriptedBackbone("A long story. " * 9))
    code, out, _ = nanochat("doctor")
    assert len(re.findall(r"(?m)^  (transformers|llama.cpp) +[1-9][0-9]* tokens per second$", out)) == 2
    assert code == (0 if "All is well" in out else 1)


# --- the real model


def test_the_capital_of_france_with_transformers(nanochat, smollm2_files):
    code, out, err = nanochat("chat", CAPITAL, "--temperature", "0", "--engine", "transformers")
    assert (code, err) == (0, "")
    assert "Paris" in out


def test_the_capital_of_france_with_llama_cpp_needs_no_torch(smollm2_files):
    pytest.importorskip("xllamacpp")
    script = (
        "import sys\nfrom nanochat_helpers import cli\n"
        f"try: cli.main(['chat', {CAPITAL!r}, '--temperature', '0', '--engine', 'llama.cpp'])\n"
        "except SystemExit as left: print(left.code, 'torch' in sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120)
    assert "Paris" in result.stdout
    # Until 5.17, as on Colab, transformers imports torch along with any tokenizer; ours then changes nothing.
    torch_comes_along = Version(version("transformers")) < Version("5.18")
    assert result.stdout.endswith(f"\n0 {torch_comes_along}\n")
    assert result.stderr == ""


def test_a_reader_who_leaves_is_no_error():
    child = subprocess.Popen(
        [sys.executable, "-m", "nanochat_helpers.cli", "--help"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    child.stdout.close()
    assert child.stderr.read() == b""
    child.stderr.close()
    child.wait(timeout=30)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a full disk to try it on")
def test_a_full_disk_is_one_line_that_does_not_blame_nanochat():
    command = [sys.executable, "-m", "nanochat_helpers.cli", "models"]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60)
    assert done.returncode == 2 and is_one_helpful_line(done.stderr, "No space left", "free")
    assert "itself failed" not in done.stderr


def test_fetch_says_where_the_model_is_for_start_py_reads_it(nanochat, monkeypatch):
    found = SimpleNamespace(folder=Path("/some where/smollm2"))
    monkeypatch.setattr("nanochat_helpers.models.fetch_model", lambda name: found)
    expected = f"smollm2 is ready in {found.folder}\nminilm is ready in {found.folder}\n"
    assert nanochat("models", "fetch", "smollm2", "minilm").out == expected


# --- a conversation in a terminal

DRIVER = """
import sys
sys.path.insert(0, sys.argv[1])
from scripted import ScriptedBackbone
from nanochat_helpers import chat, cli
chat.load_chat_model = lambda *_, **__: ScriptedBackbone(sys.argv[2], ends=False, context_length=100_000)
cli.main(sys.argv[3:])
"""


# Makes the pseudo-terminal its own, so that Ctrl-C there reaches it, and becomes the command.
OWN_TERMINAL = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""


class Terminal:
    """A program at the other end of a pseudo-terminal: type to it, wait for what it shows."""

    def __init__(self, command):
        self.controller, end = pytest.importorskip("pty").openpty()
        self.child = subprocess.Popen(
            [sys.executable, "-c", OWN_TERMINAL, *command], stdin=end, stdout=end, stderr=end, start_new_session=True
        )
        os.close(end)
        self.seen, self.place = "", 0

    def type(self, keys):
        os.write(self.controller, keys.encode())

    def wait_for(self, text, seconds=60):
        deadline = time.monotonic() + seconds
        while text not in self.seen[self.place :]:
            left = deadline - time.monotonic()
            assert left > 0 and select.select([self.controller], [], [], left)[0], f"no {text!r} in {self.seen!r}"
            try:
                self.seen += os.read(self.controller, 65536).decode(errors="replace")
            except OSError:  # the program has ended
                assert text in self.seen[self.place :], f"no {text!r} in {self.seen!r}"
        self.place = self.seen.index(text, self.place) + len(text)

    def close(self):
        if self.child.poll() is None:
            self.child.kill()
        self.child.wait()
        os.close(self.controller)


@pytest.fixture
def terminal():
    opened = []

    def open_terminal(command):
        opened.append(Terminal(command))
        return opened[-1]

    yield open_terminal
    for one in opened:
        one.close()


def test_a_conversation_with_the_real_model(terminal, smollm2_files, tmp_path):
    pytest.importorskip("xllamacpp")
    command = [sys.executable, "-m", "nanochat_helpers.cli", "chat", "--engine", "llama.cpp"]
    screen, path = terminal(command), tmp_path / "trace.json"
    screen.wait_for("smollm2 with llama.cpp")
    screen.wait_for("You: ")
    screen.type("/settings temperature=0 max_new_tokens=2000\n")
    screen.wait_for("temperature = 0\r\n")
    screen.type("/settings top_p=2\n")
    screen.wait_for("top_p=2 is not allowed")
    screen.type(CAPITAL + "\n")
    screen.wait_for("Bot: ")
    screen.wait_for("Paris")
    screen.wait_for("You: ")
    screen.type(f"/trace {path}\n")
    screen.wait_for("The trace is in")
    assert "Paris" in Trace.load(path).text
    screen.type("Write a very long story about a dragon.\n")
    screen.wait_for("Bot: ")
    screen.wait_for(" ")
    screen.type("\x03")
    screen.wait_for("(Stopped.")
    screen.wait_for("You: ")
    screen.type("/reset\n")
    screen.wait_for("forgotten")
    screen.type("Hi\n")
    screen.wait_for("Bot: ")
    screen.wait_for("You: ")
    screen.type(f"/trace {path}\n")
    screen.wait_for("The trace is in")
    assert [message["role"] for message in Trace.load(path).messages] == ["system", "user"]
    assert Trace.load(path).settings["top_p"] == 0.9
    screen.wait_for("You: ")
    time.sleep(0.5)  # a signal between the prompt and the reading of keys is seen only with the next key
    screen.type("half a mess\x03")
    screen.wait_for("leaves.)")
    screen.wait_for("You: ")
    screen.type("/nonsense\n")
    screen.wait_for("/help lists them")
    screen.wait_for("You: ")
    screen.type("\x04")
    assert screen.child.wait(timeout=30) == 0


def test_ctrl_c_stops_a_single_reply_and_the_program(terminal):
    script = "\n and so on, " * 5000
    screen = terminal([sys.executable, "-c", DRIVER, str(TESTS), script, "chat", "Go on", "--max-new-tokens", "50000"])
    screen.wait_for("and so on, \r\n and so on")  # streamed, long before the end
    assert screen.seen.startswith("and so on")
    screen.type("\x03")
    screen.wait_for("Stopped.")
    assert screen.child.wait(timeout=30) == 130
    assert "Traceback" not in screen.seen


@pytest.mark.parametrize("path", ["no such folder/trace.json", "~no-such-user/trace.json", "."])
def test_a_trace_that_cannot_be_written_is_said_once(path):
    reply = Reply("Hello.", "stop", Trace("toy", "transformers", {}, "Hi"))
    with pytest.raises(TraceError) as refused:
        save_trace(reply, path)
    assert str(refused.value).count("cannot be written") == 1
