"""What the stations of the pipeline X-ray show that are the same for all tokens: messages, prompt, ids, edits, reply.

In: an XRay. Out: HTML, around which `xray` puts a frame.
"""

from collections.abc import Sequence
from dataclasses import replace

from ..language import grouped, tr, tr_later
from ..postprocess import Edit
from ..trace import milliseconds
from .edits import edits_data, edits_html
from .filmstrip import running_text
from .markup import bar, count
from .pipeline import module_name
from .prompt_strip import prompt_strip_data, prompt_strip_html
from .xray_check import REASONS
from .xray_data import Run, Timing, XRay
from .xray_style import LONG, SPEAKERS, gap_html, list_html, long_text, role_class, row_html, split_ends

IDS = 24  # ids of one part of the prompt that are shown


# --- messages


def messages_station(data: XRay) -> str:
    """The whole conversation, the new message marked, and what the rules found in that."""
    last = len(data.trace.messages) - 1
    rows = [_message(message, tr("new") * (place == last)) for place, message in enumerate(data.trace.messages)]
    typed, message = data.trace.user_message, data.trace.messages[-1:]
    if message and message[0]["content"] != typed:  # a rule has masked something in it
        rows.append(row_html(tr("typed"), long_text(typed), note=tr("before the rules")))
    return list_html(rows, "message") + _findings(data, "input")


def fits_station(data: XRay) -> str:
    """What the prompt is made of, what was left out, and what was added."""
    kept = [
        _message(message, "" if message in data.trace.messages else tr("changed or added")) for message in data.kept
    ]
    strip = replace(prompt_strip_data(data.trace), fallen=())  # what fell out stands below, in full
    parts = [
        prompt_strip_html(strip, with_messages=False),
        f"<h4>{tr('In the prompt: {messages}', messages=count(len(kept), 'message'))}</h4>",
        list_html(kept, "message"),
    ]
    if data.trace.dropped:
        dropped = [_message(message, tr("dropped"), is_dropped=True) for message in data.trace.dropped]
        title = tr("Dropped: {messages}", messages=count(len(dropped), "message"))
        parts += [f"<h4>{title}</h4>", list_html(dropped, "message")]
    else:
        parts.append(f'<p class="nc-dim">{tr("Nothing had to go.")}</p>')
    return "".join(parts) + _sources(data)


def _message(message, note, *, is_dropped=False):
    text, role = long_text(message["content"]), message["role"]
    return row_html(role, f"<del>{text}</del>" if is_dropped else text, note=note, role=role)


def _findings(data, where):
    """What the rules found in the message or in the reply."""
    found = [finding for finding in data.trace.findings if finding["where"] == where]
    return "".join(f'<p class="nc-xr-finding">{_finding(finding)}</p>' for finding in found)


def _finding(found):
    action, rule, says = (running_text(text) for text in (found["action"], found["rule"], tr_later(found["says"])))
    return tr("<b>{action}</b> by the rule {rule}: {says}", action=action, rule=rule, says=says)


def _sources(data):
    """The passages that were found for the question."""
    rows = [
        row_html(f"[{source['number']}]", long_text(source["text"], LONG // 2), note=_origin(source))
        for source in data.trace.sources
    ]
    title = tr("Sources: {passages}", passages=count(len(rows), "passage"))
    return f"<h4>{title}</h4>{list_html(rows, 'passage')}" if rows else ""


def _origin(source):
    return f"{source['source']}, {source['place']} · {tr('score {score:.2f}', score=source['score'])}"


# --- prompt and ids


def prompt_station(data: XRay) -> str:
    """The prompt; each part has the colour and the underline of the one whose words it is."""
    if not data.runs:  # a server makes the prompt itself: it got the messages
        return f'<div class="nc-xr-text nc-mono">{long_text(data.trace.prompt, 4 * LONG)}</div>'
    if any(run.text is None for run in data.runs):
        return f'{_legend(data.runs)}<div class="nc-xr-text nc-mono">{long_text(data.trace.prompt, 4 * LONG)}</div>'
    first, between, last = split_ends(data.runs, 21)
    gap = gap_html(f"{count(len(between), 'part')}, {count(_length(between), 'token')}") if between else ""
    shown = "".join(map(_run, first)) + gap + "".join(map(_run, last))
    return f'{_legend(data.runs)}<div class="nc-xr-text nc-mono">{shown}</div>'


def _run(run):
    return f'<span class="nc-xr-run {role_class(run.role)}">{long_text(run.text)}</span>'


def ids_station(data: XRay) -> str:
    """The ids part by part, with the text that they stand for."""
    if not data.runs:
        return f"<p>{tr('The server turned the messages into ids, and does not tell them.')}</p>"
    ids, new = count(len(data.trace.input_ids), "id"), count(len(data.trace.user_ids), "id")
    head = f"<p>{tr('{ids} in all; the new message alone is {new}.', ids=ids, new=new)}</p>"
    return head + _legend(data.runs) + list_html([_ids(run) for run in data.runs], "part")


def _ids(run):
    first, between, last = split_ends(run.ids, IDS)
    gap = gap_html(tr("{n:,} more", n=len(between))) if between else ""
    ids = "".join(map(_id, first)) + gap + "".join(map(_id, last))
    text = "" if run.text is None else f'<span class="nc-mono">{long_text(run.text, 160)}</span>'
    more = f'<span class="nc-xr-ids nc-mono">{ids}</span>'
    return row_html(run.role, text, note=count(len(run.ids), "id"), role=run.role, more=more)


def _id(token_id):
    return f"<i>{token_id}</i>"


def _legend(runs: Sequence[Run]):
    """How many tokens are whose words, with their colour and underline."""
    lengths = {role: _length([run for run in runs if run.role == role]) for role in SPEAKERS}
    parts = "".join(
        f'<span><span class="nc-xr-run {role_class(role)}">{role}</span> {grouped(length)}</span>'
        for role, length in lengths.items()
        if length
    )
    return f'<p class="nc-xr-legend"><b>{tr("Whose tokens:")}</b>{parts}</p>'


def _length(runs):
    return sum(len(run.ids) for run in runs)


# --- edits and reply


def edits_station(data: XRay) -> str:
    """Each edit with what it took out, and what the rules found in the text."""
    trace = data.trace
    edits = [Edit(edit["name"], edit["before"], edit["after"]) for edit in trace.edits]
    view = edits_data(trace.raw_text, edits, finish_reason=trace.finish_reason)
    changed = f"<p>{tr('The rules changed this: the reader gets another text, see the next station.')}</p>"
    return edits_html(view, limit=LONG) + _findings(data, "output") + changed * (view.text != trace.text)


def reply_station(data: XRay) -> str:
    """The reply, why it ended, its sources, and the time of all steps."""
    trace = data.trace
    total = milliseconds(sum(trace.seconds.values()))
    times = f"<h4>{tr('The time of all steps: {time}', time=total)}</h4>{steps_html(data.timings)}"
    reply = f'<div class="nc-xr-text nc-xr-reply">{long_text(trace.text, 6 * LONG)}</div>'
    return f"{reply}<p>{_ended(data)}</p>" + _sources(data) + times


def _ended(data):
    """Why the reply ended, or why there was none to write."""
    if data.was_asked:
        tokens, reason = count(len(data.trace.tokens), "token"), tr_later(REASONS[data.trace.finish_reason])
        return tr("{tokens}. Why it ended: {reason}.", tokens=tokens, reason=reason)
    if data.trace.finish_reason == "blocked":
        return tr("The model was not asked: a safety rule blocked it.")
    return tr("The model was not asked: no passage fits the question.")


def steps_html(steps: Sequence[Timing]) -> str:
    """Some steps of the pipeline, each with its module and its time."""
    rows = [
        f"<span>{step.number} <b>{tr_later(step.name)}</b> "
        f'<span class="nc-mono nc-dim">{module_name(step.module)}</span></span>'
        f"<span>{milliseconds(step.seconds)}</span>{_share_bar(step.share)}"
        for step in steps
    ]
    return f'<div class="nc-xr-steps">{"".join(rows)}</div>'


def _share_bar(share):
    return bar(share, label=tr("{percent} % of the time", percent=round(100 * share)))
