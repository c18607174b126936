"""The page of `nanochat gui` in a real browser, with a scripted model; and the Space as Hugging Face would start it."""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from nanochat_helpers.models import cache_dir, fetch_model

ROOT = Path(__file__).parents[2]
# A page whose model does as it is told, and otherwise repeats which messages it was given.
SCRIPTED_PAGE = """
import sys, time
from scripted import IM_END, DrawnToken, ScriptedBackbone
from nanochat_helpers.serve.gui import GuiServer, make_gui

class Obedient(ScriptedBackbone):
    def draw_tokens(self, input_ids, settings, **limits):
        text = self.tokenizer.decode(input_ids)
        said = [part.split("<|im_end|>")[0] for part in text.split("<|im_start|>user\\n")[1:]]
        order, _, rest = said[-1].partition(": ")
        answer = {"say": rest, "slowly": "x" * 400}.get(order, " + ".join(said) + f" at {settings.temperature}")
        for byte in answer.encode():
            time.sleep(0.02 if order == "slowly" else 0)
            yield DrawnToken(byte, 0.5)
        yield DrawnToken(IM_END, 0.5)

page = make_gui(Obedient("", engine="llama.cpp", context_length=50_000), max_waiting=0, limit_tokens=5000)
page.launch(server_port=int(sys.argv[1]))
"""
# What Hugging Face sets for a Space with gradio, as far as a program could notice.
AS_A_SPACE = {
    "SYSTEM": "spaces",
    "SPACE_ID": "someone/nanochat",
    "SPACE_AUTHOR_NAME": "someone",
    "SPACE_REPO_NAME": "nanochat",
    "GRADIO_SERVER_NAME": "0.0.0.0",
    "GRADIO_NUM_PORTS": "1",
    "GRADIO_ALLOW_FLAGGING": "never",
    "GRADIO_THEME": "huggingface",
    "PYTHONUNBUFFERED": "1",
}


class Addresses(NamedTuple):
    scripted: str
    space: str
    space_folder: Path
    wait_for_space: Callable[[], None]


@pytest.fixture(scope="module")
def addresses(tmp_path_factory) -> Iterator[Addresses]:
    """Both pages, each in a process of its own; the Space's folder holds nothing but what would be pushed."""
    fetch_model("smollm2", show_progress=False)
    home = tmp_path_factory.mktemp("home")
    folder, beside = home / "app", home / "beside"
    install_spaces(beside)
    shutil.copytree(ROOT / "space", folder, ignore=shutil.ignore_patterns("__pycache__"))
    ports = [free_port(), free_port()]
    plain = {name: os.environ[name] for name in ("PATH", "LANG", "LD_LIBRARY_PATH") if name in os.environ}
    plain |= {"HOME": str(home), "NANOCHAT_CACHE": str(cache_dir()), "TMPDIR": str(home)}
    space = AS_A_SPACE | {"PYTHONPATH": str(beside), "GRADIO_SERVER_PORT": str(ports[1])}
    commands = [
        ([sys.executable, "-c", SCRIPTED_PAGE, str(ports[0])], {"PYTHONPATH": str(ROOT / "tests")}, home),
        ([sys.executable, "app.py"], space, folder),
    ]
    logs = [home / "scripted.log", home / "space.log"]
    running = []
    for (command, more, cwd), log in zip(commands, logs, strict=True):
        with log.open("w") as out:
            running.append(subprocess.Popen(command, env=plain | more, cwd=cwd, stdout=out, stderr=out))
    try:
        wait_for(running[0], ports[0], logs[0])  # the Space loads its model meanwhile: `space_address` waits for it
        yield Addresses(
            *(f"http://127.0.0.1:{port}/" for port in ports), folder, partial(wait_for, running[1], ports[1], logs[1])
        )
    finally:
        for process in running:
            process.terminate()
            process.wait(timeout=20)
    said = [log.read_text() for log in logs]
    assert said == ["", ""], "a page that runs well says nothing"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]


def install_spaces(folder: Path) -> None:
    """Hugging Face installs a package of its own, which gradio looks for on a Space: as much of it as is used there."""
    (folder / "spaces").mkdir(parents=True)
    (folder / "spaces/__init__.py").write_text("def gradio_auto_wrap(function): return function")
    (folder / "spaces/reloading.py").write_text("def start_reload_server(**options): ...")
    (folder / "spaces-1.0.dist-info").mkdir()
    (folder / "spaces-1.0.dist-info/METADATA").write_text("Metadata-Version: 2.1\nName: spaces\nVersion: 1.0\n")


def wait_for(process: subprocess.Popen, port: int, log: Path) -> None:
    for _ in range(600):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5).close()
            return
        except OSError:
            assert process.poll() is None, log.read_text()
            time.sleep(0.1)
    raise AssertionError(f"no page:\n{log.read_text()}")


class Tab:
    """One browser tab with the page in it."""

    def __init__(self, page: Page, address: str):
        self.page, self.requests = page, []
        page.on("request", lambda request: self.requests.append(request.url))
        page.goto(address)
        expect(self.field).to_be_editable()

    @property
    def foreign_requests(self) -> list[str]:
        return [url for url in self.requests if not url.startswith(("http://127.0.0.1:", "data:", "blob:"))]

    @property
    def field(self) -> Locator:
        return self.page.get_by_role("textbox", name="Your message")

    @property
    def talk(self) -> Locator:
        return self.page.get_by_role("log")

    @property
    def replies(self) -> Locator:
        return self.page.get_by_test_id("bot")

    @property
    def line(self) -> Locator:
        return self.page.locator(".block.nc-line p")

    def begin(self, text: str) -> None:
        expect(self.field).to_be_editable()
        self.field.fill(text)
        self.field.press("Enter")

    def send(self, text: str) -> None:
        """Send a message and wait for the end of the reply."""
        before = self.replies.count()
        self.begin(text)
        expect(self.replies).to_have_count(before + 1)
        self.wait()

    def wait(self) -> None:
        expect(self.page.get_by_role("button", name="Send")).to_be_visible()
        expect(self.field).to_be_editable()

    def set(self, name: str, value: str) -> None:
        field = self.page.get_by_label(f"number input for {name}")
        field.fill(value)
        field.press("Tab")


@pytest.fixture
def tab(addresses, shared_page) -> Tab:
    return Tab(shared_page, addresses.scripted)


@pytest.fixture(scope="module")
def space_address(addresses) -> str:
    addresses.wait_for_space()
    return addresses.space


@pytest.fixture
def space_tab(space_address, shared_page) -> Tab:
    return Tab(shared_page, space_address)


# --- the page, with a model that does as it is told


def test_the_model_gets_what_was_said_before_and_the_page_shows_it(tab):
    tab.send("one")
    tab.send("two")
    expect(tab.replies.last).to_contain_text("one + two at 0.7")
    expect(tab.line).to_contain_text("The model ended it.")


def test_the_page_asks_nothing_but_its_own_server(tab):
    tab.send("one")
    tab.page.get_by_role("slider", name="temperature").focus()
    assert tab.foreign_requests == []
    assert len(tab.requests) > 10


@pytest.mark.parametrize("who", ["say: ", ""])
def test_what_is_said_is_shown_letter_by_letter(tab, who):
    tab.set("max_new_tokens", "5000")
    hostile = (
        "<script>window.hacked = 1</script><img src=x onerror='window.hacked = 2'> <b>bold</b> &lt; &amp; <!-- a -->\n"
        "def f(x):\n    return x < 2 and [x](javascript:alert(1)) **x** $x^2$ <|other|> "
        + " ".join(map(str, range(900)))
    )
    tab.send(who + hostile)
    shown = tab.replies.last if who else tab.page.get_by_test_id("user").last
    assert shown.inner_text().strip().startswith(hostile)
    assert tab.page.evaluate("window.hacked") is None
    assert tab.talk.locator("script, img, b, a, strong").count() == 0
    tab.send("again")  # and what the model is told of it later is the same
    assert hostile.split("\n")[0] in tab.replies.last.inner_text() or who


def test_control_tokens_in_a_message_stay_visible(tab):
    tab.send("Hi <|im_end|> there")
    expect(tab.page.get_by_test_id("user").last).to_have_text(re.compile(r"Hi <\|im_end\|> there"))


def test_a_wrong_value_is_one_sentence_and_the_talk_goes_on_without_it(tab):
    tab.send("one")
    seed = tab.page.get_by_role("textbox", name="seed")
    seed.fill("lucky")
    tab.send("two")
    expect(tab.replies.last).to_contain_text("seed='lucky' is not allowed")
    seed.fill("7")
    tab.send("three")
    expect(tab.replies.last).to_contain_text("one + three at 0.7")
    expect(tab.line).to_contain_text("seed 7.")


def test_a_number_beyond_a_slider_does_not_lock_the_page(tab):
    tab.set("temperature", "50")
    tab.send("one")
    expect(tab.replies.last).to_contain_text("one at 2")


def test_an_empty_message_is_one_sentence(tab):
    tab.send("   ")
    expect(tab.replies.last).to_contain_text("The message is empty")


def test_retry_undo_and_clear(tab):
    tab.send("one")
    tab.send("two")
    tab.set("temperature", "1.5")
    tab.page.get_by_role("button", name="Retry").click()
    expect(tab.replies.last).to_contain_text("one + two at 1.5")
    tab.wait()
    tab.page.get_by_role("button", name="Undo").click()
    expect(tab.field).to_have_value("two")
    expect(tab.replies).to_have_count(1)
    tab.page.get_by_role("button", name="Clear").click()
    expect(tab.replies).to_have_count(0)
    tab.send("three")
    expect(tab.replies.last).to_contain_text(re.compile("^three at 1.5"))


def test_while_the_line_is_full_others_are_asked_to_come_again_and_a_closed_tab_frees_it(tab, addresses, browser):
    other = Tab(browser.new_page(), addresses.scripted)
    other.begin("slowly: please")
    expect(other.replies.last).to_contain_text("xxx")
    tab.send("one")
    expect(tab.replies.last).to_contain_text("please try again in about")
    other.page.close()
    deadline = time.monotonic() + 6  # the reply alone would take eight seconds
    while "one at" not in tab.replies.last.inner_text():
        assert time.monotonic() < deadline
        tab.page.get_by_role("button", name="Retry").click()
        tab.wait()
        time.sleep(0.2)


def test_every_control_has_a_name(tab):
    tab.send("one")
    nameless = tab.page.evaluate(
        """() => [...document.querySelectorAll('button, input, textarea')]
            .filter(each => each.checkVisibility())
            .filter(each => !(each.ariaLabel || each.innerText.trim() || each.labels?.length || each.title))
            .map(each => each.outerHTML)"""
    )
    assert nameless == []


def test_the_page_is_no_wider_than_the_window(addresses, browser):
    page = browser.new_page(viewport={"width": 400, "height": 800})
    Tab(page, addresses.scripted).send("say: " + "x" * 300)
    for width in (400, 1280):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.close()


# --- the Space, with the real model


def test_the_space_answers_and_a_setting_changes_the_reply(space_tab):
    space_tab.send("What is the capital of France?")
    assert space_tab.replies.last.inner_text().strip()
    space_tab.set("max_new_tokens", "1")
    space_tab.send("And of Spain?")
    expect(space_tab.line).to_contain_text(re.compile(r"\b1 token in .* seed \d+\. It has all"))
    assert space_tab.foreign_requests == []


def test_the_space_stops_a_reply_and_goes_on(space_tab):
    space_tab.set("temperature", "0")
    space_tab.begin("Tell me a very long story about a dragon.")
    expect(space_tab.replies.last).to_contain_text(re.compile(r"\w+ \w+ \w+"))
    space_tab.page.get_by_role("button", name="Stop").click()
    space_tab.wait()
    expect(space_tab.line).to_have_text("Stopped.")
    stopped = space_tab.replies.last.inner_text()
    space_tab.set("max_new_tokens", "5")
    space_tab.send("Thank you!")
    assert space_tab.replies.nth(0).inner_text() == stopped
    expect(space_tab.line).to_contain_text("token")


def test_two_tabs_of_the_space_keep_two_conversations(space_address, browser: Browser):
    tabs = [Tab(browser.new_page(), space_address) for _ in range(2)]
    for tab in tabs:
        tab.set("max_new_tokens", "20")
    for tab, name in zip(tabs, ("Anna", "Boris"), strict=True):
        tab.begin(f"My name is {name}. Write a poem for me.")  # the second waits for the first
    for tab in tabs:
        expect(tab.line).to_contain_text("seed")
        tab.wait()
    for tab, name, other in zip(tabs, ("Anna", "Boris"), ("Boris", "Anna"), strict=True):
        tab.send("Thank you!")
        assert tab.page.get_by_test_id("user").count() == tab.replies.count() == 2
        expect(tab.talk).to_contain_text(name)
        expect(tab.talk).not_to_contain_text(other)
        tab.page.close()


def test_the_space_leaves_no_file_and_takes_none(addresses, space_address):
    files = {path.name for path in addresses.space_folder.rglob("*") if path.is_file()}
    assert files == {"README.md", "app.py", "requirements.txt"}
    body = b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.txt"\r\n\r\nmany bytes\r\n--x--\r\n'
    request = urllib.request.Request(
        space_address + "gradio_api/upload", body, {"Content-Type": "multipart/form-data; boundary=x"}
    )
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=10)
    assert refused.value.code == 413
    refused.value.close()
