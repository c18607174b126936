"""What the page looks like: the talk with its field and its line on the left, the settings on the right.

In: gradio, and a Talk that answers. Out: a gr.Blocks. It asks no other server for anything, and keeps nothing.
"""

from html import escape
from typing import Any

from ..chat import Chat
from ..settings import DEFAULT_MAX_NEW_TOKENS
from ..widgets.controls import MEANINGS, RANGES
from .gui_talk import Talk
from .gui_text import keep_plain

SLIDERS = ("temperature", "top_p", "top_k", "min_p", "repetition_penalty", "max_new_tokens")
CSS = """
footer { display: none !important; }
.message-content, .message-content .md { white-space: pre-wrap; overflow-wrap: anywhere; font-size: 16px; }
.nc-line p, .nc-settings .info-text, .nc-settings label > span { font-size: 14px; margin: 0; }
.nc-line { min-height: 1.5em; }
.nc-settings .block { padding: 6px 12px; }
.nc-settings label > span { color: var(--body-text-color); font-weight: 600; }
.nc-settings .head { display: grid; grid-template-columns: 1fr auto; gap: 2px; margin: 0; }
.nc-settings .head label { display: contents; }
.nc-settings .tab-like-container { margin: 0; height: fit-content; }
.nc-settings .info-text { grid-column: 1 / -1; grid-row: 2; line-height: 1.3; margin-bottom: 4px; }
.nc-settings .min_value, .nc-settings .max_value { color: var(--body-text-color); }
button.submit-button, button.stop-button { background: #0072b2; color: white; font-size: 14px; }
"""


def make_theme(gr: Any) -> Any:
    """Gradio's own looks with this machine's fonts, and small text that can be read."""
    looks = gr.themes.Default(
        primary_hue="blue", font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"]
    )
    grey, light_grey = "#555c68", "#b6bcc8"
    return looks.set(
        block_info_text_color=grey, block_info_text_color_dark=light_grey, block_info_text_size="14px",
        input_placeholder_color=grey, input_placeholder_color_dark=light_grey,
    )  # fmt: skip


def draw_page(gr: Any, talk: Talk, start: Chat, title: str) -> Any:
    """The whole page; the parts that are used elsewhere are made first."""
    with gr.Blocks(title=title, analytics_enabled=False, fill_height=True) as page:
        gr.HTML(f'<h1 style="font-size:1.4em;margin:0">{escape(title)}</h1>', padding=False)
        with gr.Row(equal_height=False):
            left = gr.Column(scale=3, min_width=320)
            right = gr.Column(scale=1, min_width=290, elem_classes="nc-settings")
        with right:
            controls = _controls(gr, start, talk.limit_tokens)
        with left:
            _conversation(gr, talk, controls)
    page.queue(api_open=False)
    page.space_id = None  # on a Space, gradio's header would ask other servers for fonts
    return page


def _controls(gr, start: Chat, limit_tokens: int) -> dict[str, Any]:
    """The settings as controls, by name; a start beyond a slider's end makes it longer."""
    controls = {}
    for name in SLIDERS:
        _, low, high, step = RANGES[name]
        value = getattr(start.settings, name)
        if name == "max_new_tokens":
            high, value = limit_tokens, min(value or DEFAULT_MAX_NEW_TOKENS, limit_tokens)
        low, high = min(low, value), max(high, value)
        controls[name] = gr.Slider(low, high, value, step=step, label=name, info=MEANINGS[name])
    seed = "" if start.settings.seed is None else str(start.settings.seed)
    controls["seed"] = gr.Textbox(seed, label="seed", info="fixes the luck; empty: new luck for each reply")
    controls["system"] = gr.Textbox(start.system, label="system message", info="how the bot should behave", lines=3)
    return controls


def _conversation(gr, talk, controls):
    """The talk itself, its field, its buttons, and one line for what goes on."""
    line = gr.Markdown("Type a message, and press Enter.", elem_classes="nc-line", render=False)
    welcome = f"This is {talk.worker.backbone.name}, a language model. What it says may be wrong."
    chatbot = gr.Chatbot(
        label="Conversation",
        show_label=False,  # it would cover the first message on a phone
        placeholder=f'<div style="padding:0 1em;text-align:center">{escape(welcome)}</div>',
        render_markdown=False,
        height="65vh",
        min_height=280,
        buttons=["copy"],
        feedback_options=None,
    )
    keep_plain(chatbot)

    async def reply(message, history, *values):
        async for shown in talk.answer(message, history, dict(zip(controls, values, strict=True))):
            yield shown

    interface = gr.ChatInterface(
        reply,
        chatbot=chatbot,
        textbox=gr.Textbox(
            label="Your message", placeholder="Type a message", autofocus=True, submit_btn="Send", stop_btn="Stop"
        ),
        additional_inputs=list(controls.values()),
        additional_outputs=[line],
        concurrency_limit=None,  # the line is that of the worker
        show_progress="hidden",  # our own line tells it; gradio's may say "Error" after Stop
        api_visibility="private",
        flagging_mode="never",
        analytics_enabled=False,
    )
    line.render()
    interface.textbox.stop(lambda: "Stopped.", None, line, api_visibility="private", queue=False)
    chatbot.clear(lambda: "A new conversation.", None, line, api_visibility="private", queue=False)
