"""Step 7, delivery, in a terminal: shows replies as they are written, and holds a conversation with a few commands.

In: a Chat and lines of text. Out: text on stdout; what is said about a reply goes to stderr. Model text is shown with
its control characters spelled out, so that it cannot steer the terminal.
"""

import contextlib
import difflib
import os
import re
import shlex
import signal
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path

from .chat import Chat, Reply
from .errors import MessageError, NanoChatError, SettingsError, TraceError

# Everything that moves the cursor, rings, colours or turns the writing direction round; line ends and tabs may pass.
_STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")

HELP = """\
/settings                   show how replies are written
/settings temperature=0.2   change that; several at once work, too
/reset                      forget the conversation
/trace [FILE]               show what happened on the way to the last reply, or save it
/quit                       leave; so does Ctrl-D
Ctrl-C                      stop the reply that is being written"""


def printable(text: str) -> str:
    """Spell control characters out: an escape character becomes the four characters "\\x1b"."""
    return _STEERING.sub(lambda character: character[0].encode("unicode_escape").decode(), text)


def one_line(text: str) -> str:
    """The same on a single line, for an error."""
    return printable(" ".join(text.split()))


def show_reply(chat: Chat, text: str, *, live: bool) -> Reply:
    """Send a message, show the reply on stdout and return it.

    live: show the raw text while it is written, for a reader who waits; False shows the clean text at the end.
    """
    shown = _without_leading_space(chat.stream(text))
    for piece in shown:
        if live:
            write(printable(piece))
    write("\n" if live else printable(chat.last_reply.text) + "\n")
    return chat.last_reply


def notes(reply: Reply) -> Iterator[str]:
    """What a reader should know about a reply, one sentence each."""
    if reply.trace.dropped:
        yield f"{len(reply.trace.dropped)} earlier messages no longer fit into the prompt and were left out."
    if reply.finish_reason == "length":
        yield "The reply stopped at its length limit: a larger max_new_tokens allows more."
    if reply.finish_reason == "cancelled":
        yield "Stopped. What was written so far is kept."
    elif not reply.text:
        yield "The reply is empty: the model had nothing to say. Try other words, or another seed."


def write(text: str) -> None:
    """Put text on stdout at once."""
    sys.stdout.write(text)
    sys.stdout.flush()


def note(text: str) -> None:
    """Put one line about the reply on stderr."""
    sys.stdout.flush()
    sys.stderr.write(f"({one_line(text)})\n")
    sys.stderr.flush()


class Conversation:
    """Messages in, replies out, until the input ends. At a keyboard a mistake is explained and the talk goes on."""

    def __init__(self, chat: Chat):
        self.chat = chat
        self.at_keyboard = sys.stdin.isatty()
        self.live = sys.stdout.isatty()
        self._over = False
        self._commands = {
            "help": self.help,
            "settings": self.settings,
            "reset": self.reset,
            "trace": self.trace,
            "quit": self.quit,
            "exit": self.quit,
        }

    def run(self) -> None:
        """Answer line after line. From a file or a pipe, the first mistake ends it with that error."""
        if self.at_keyboard:
            write(f"{self.chat.backbone.name} with {self.chat.backbone.engine}. /help lists the commands.\n")
            self._talk()
        else:
            self._answer_all()

    def _talk(self):
        with contextlib.suppress(ImportError):
            import readline  # noqa: F401 - arrow keys and earlier lines, for input()
        while not self._over:
            try:
                line = input("You: ")
                if line.strip():
                    self.take(line)
            except EOFError:
                write("\n")
                return
            except KeyboardInterrupt:
                write("\n")
                note("Ctrl-D or /quit leaves.")
            except NanoChatError as error:
                note(str(error))

    def _answer_all(self):
        lines = (line.rstrip("\r\n") for line in sys.stdin)
        count = 0
        for count, line in enumerate(filter(str.strip, lines), start=1):  # noqa: B007 - counted for after the loop
            self.take(line)
            if self._over:
                return
        if not count:
            raise MessageError('The message is empty: there was nothing to read. Try: nanochat chat "Hello!"')

    def take(self, line: str) -> None:
        """Do what one line asks for: a command, or a message to answer. Raises NanoChatError."""
        check_utf8(line)
        command = re.match(r"\s*/([A-Za-z]+)(?:\s+(.*\S))?\s*$", line)
        if command:
            name, rest = command[1].lower(), command[2] or ""
            if name not in self._commands:
                near = difflib.get_close_matches(name, self._commands, n=1)
                guess = f"Did you mean /{near[0]}? " if near else ""
                raise MessageError(f"There is no command /{name}. {guess}/help lists them.")
            self._commands[name](rest)
        else:
            self._answer(line)

    def _answer(self, text):
        if self.at_keyboard and self.live:
            write("Bot: ")
        with _ctrl_c_stops(self.chat) if self.at_keyboard else contextlib.nullcontext():
            try:
                reply = show_reply(self.chat, text, live=self.live)
            except NanoChatError:
                if self.at_keyboard and self.live:
                    write("\n")
                raise
        for text_of_note in notes(reply):
            note(text_of_note)

    def help(self, _: str = "") -> None:
        """/help: list the commands."""
        write(HELP + "\n")

    def settings(self, changes: str = "") -> None:
        """/settings: show the knobs, after changing those that are given as name=value."""
        self.chat.settings = self.chat.settings.change(**read_settings(changes))
        for name, value in asdict(self.chat.settings).items():
            write(f"{name} = {printable(repr(value))}\n")

    def reset(self, _: str = "") -> None:
        """/reset: forget the conversation."""
        self.chat.reset()
        note("The conversation is forgotten.")

    def trace(self, path: str = "") -> None:
        """/trace: show the way of the last reply through the seven steps, or save it to a file."""
        path = " ".join(_words(path))
        if self.chat.last_reply is None:
            raise TraceError("There is no reply yet to trace: say something first.")
        if path:
            save_trace(self.chat.last_reply, path)
        else:
            write(printable(str(self.chat.last_reply.trace)) + "\n")

    def quit(self, _: str = "") -> None:
        """/quit and /exit: leave."""
        self._over = True


def check_utf8(text: str) -> None:
    """Refuse input whose bytes are no text; Python has put halves of characters in their place. Raises MessageError."""
    wrong = re.search("[\udc80-\udcff]", text)
    if wrong:
        raise MessageError(f"The input is not UTF-8 at position {wrong.start()}: save or send it as UTF-8.")


def check_trace_path(path: str) -> None:
    """Refuse a file that cannot be written, before time goes into what it should hold. Raises TraceError."""
    with _saving(path) as file:
        if not file.parent.is_dir():
            raise FileNotFoundError(f"there is no folder {str(file.parent)!r}")
        if file.is_dir():
            raise IsADirectoryError("it is a folder")
        if not os.access(file if file.exists() else file.parent, os.W_OK):
            raise PermissionError("you have no right to write there")


def save_trace(reply: Reply, path: str) -> None:
    """Save a reply's trace as JSON and say so. Raises TraceError where the file cannot be written."""
    with _saving(path) as file:
        reply.trace.save(file)
    note(f"The trace is in {file}.")


@contextlib.contextmanager
def _saving(path):
    """Give the file that a path names, and say so when the file cannot be written."""
    try:
        yield Path(path).expanduser()
    except TraceError:
        raise  # it says so already
    except (OSError, ValueError, RuntimeError) as error:  # RuntimeError: there is no such ~user
        why = getattr(error, "strerror", None) or error
        raise TraceError(f"The trace cannot be written to {path!r} ({why}): choose another file.") from error


def read_settings(text: str) -> dict:
    """Read settings as they are typed: "temperature=0.2 top_p=1" gives {"temperature": 0.2, "top_p": 1}.

    stop= may stand several times, and \\n and \\t in it are the end of a line and a tab.
    """
    changes = {}
    for word in _words(text):
        name, equals, value = word.partition("=")
        if not equals:
            raise SettingsError(f"{word!r} is no setting: write name=value, such as temperature=0.2.")
        if name == "stop":
            changes[name] = (*changes.get(name, ()), *([_unescape(value)] if value else []))
        elif name in changes:
            raise SettingsError(f"{name} stands there twice: give it once.")
        else:
            changes[name] = _read_value(value)
    return changes


def _words(text):
    """Split what was typed as a shell does, but leave backslashes alone: Windows has them in paths."""
    lexer = shlex.shlex(text, posix=True, punctuation_chars=False)
    lexer.whitespace_split, lexer.escape, lexer.commenters = True, "", ""
    try:
        return list(lexer)
    except ValueError as error:
        raise MessageError(f"{text!r} cannot be read: a quotation mark is open.") from error


def _unescape(text):
    return re.sub(r"\\[nt\\]", lambda pair: {"n": "\n", "t": "\t"}.get(pair[0][1], "\\"), text)


def _read_value(text):
    named = {"none": None, "true": True, "false": False}
    if text.lower() in named:
        return named[text.lower()]
    for kind in (int, float):
        with contextlib.suppress(ValueError):
            return kind(text)
    return text


def _without_leading_space(pieces: Iterable[str]) -> Iterator[str]:
    """Models like to begin with a space or an empty line; a reader should not see it."""
    started = False
    for piece in pieces:
        shown = piece if started else piece.lstrip()
        started = started or bool(shown)
        yield shown


@contextlib.contextmanager
def _ctrl_c_stops(chat: Chat):
    """While a reply is written, Ctrl-C ends it at the next token; a second one is for the program."""

    def stop(*_):
        signal.signal(signal.SIGINT, before)
        chat.cancel()

    before = signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
