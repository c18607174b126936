"""From a list of messages to the text of the prompt, and to its token ids.

A chat model brings its own chat template; a base model gets a plain one, and a model that follows single instructions
one that hands it the newest message. Encoding is here too, because only here is it
known which parts are the template's and which a user typed: what a user types can never become a control token.
"""

import re
from dataclasses import dataclass

from ..errors import MessageError, TokenError
from ..tokens import check_text

ROLES = ("system", "user", "assistant")
PLAIN_NAMES = {"system": "", "user": "User: ", "assistant": "Bot: "}
PLAIN_STOP = ("\nUser:", "\nBot:")
INSTRUCTION_TEMPLATE = (
    "{% if messages[0]['role'] == 'system' and messages|length > 1 %}{{ messages[0]['content'] }}\n{% endif %}"
    "{{ messages[-1]['content'] }}{{ eos_token }}"
)


@dataclass(frozen=True)
class Prompt:
    """A prompt three ways: as text, as token ids, and whose words each token is.

    roles: for each of the input_ids "system", "user" or "assistant" where the token belongs to a message,
        and "template" where the chat template added it.
    """

    text: str
    input_ids: list[int]
    roles: list[str]


def check_messages(messages: list[dict]) -> None:
    """Refuse messages that no template can take. Raises MessageError, which names the message's place."""
    if not isinstance(messages, (list, tuple)):
        raise MessageError(
            f'Messages must be a list such as [{{"role": "user", "content": "Hi"}}], not {type(messages).__name__}.'
        )
    for place, message in enumerate(messages):
        if not isinstance(message, dict) or set(message) != {"role", "content"}:
            raise MessageError(
                f'Message {place} must look like {{"role": "user", "content": "Hi"}}, not {message!r:.80}.'
            )
        if message["role"] not in ROLES:
            raise MessageError(f"Message {place} has the role {message['role']!r}; the roles are {', '.join(ROLES)}.")
        if message["role"] == "system" and place > 0:
            raise MessageError(f"Message {place} is a system message: it can only be the first one.")
        check_message(message["content"], f"Message {place}")


def check_message(text: str, what: str = "The message") -> None:
    """Refuse what cannot be sent: no text, half a character, or a NUL byte. Raises MessageError."""
    check_text(text, what)
    if "\0" in text:
        raise MessageError(f"{what} has a NUL byte at position {text.index(chr(0))}: please remove it.")


def has_template(tokenizer) -> bool:
    """Does this tokenizer bring a chat template, as chat models do? Raises TokenError for what is no tokenizer."""
    check_tokenizer(tokenizer)
    return bool(getattr(tokenizer, "chat_template", None))


def check_tokenizer(tokenizer) -> None:
    """Refuse what is no tokenizer, such as the backbone that it belongs to. Raises TokenError."""
    if not callable(tokenizer):
        hint = "pass backbone.tokenizer" if hasattr(tokenizer, "tokenizer") else "see load_tokenizer"
        raise TokenError(f"A prompt needs a tokenizer, not a {type(tokenizer).__name__}: please {hint}.")


def add_instruction_template(tokenizer) -> None:
    """Give the tokenizer of an encoder-decoder, such as flan-t5-small, the template that suits it; a template of its
    own stays.

    Such a model was trained on single instructions: its prompt is the newest message, a system message in front of it,
    and the end token. Of what was said before it reads nothing, so it remembers nothing.
    """
    if not has_template(tokenizer):
        tokenizer.chat_template = INSTRUCTION_TEMPLATE


def stop_strings(tokenizer) -> tuple[str, ...]:
    """Texts at which a reply must end: the plain template has some, a chat template ends with a token of its own."""
    return () if has_template(tokenizer) else PLAIN_STOP


def build_prompt(messages: list[dict], tokenizer, *, add_generation_prompt: bool = True) -> str:
    """Write the messages as one text, in the form that the model was trained on.

    add_generation_prompt: end with the words that open the assistant's turn, so that the model answers.
    Raises MessageError where there is no message at all, a message cannot be used, or the model's template refuses
    these messages; TokenError for what is no tokenizer.
    """
    check_messages(messages)
    if not messages:
        raise MessageError("There is no message yet: a prompt needs at least one.")
    if not has_template(tokenizer):
        return plain_template(messages, add_generation_prompt)
    from jinja2 import TemplateError

    try:
        return tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=add_generation_prompt)
    except TemplateError as error:
        roles = ", ".join(message["role"] for message in messages)
        raise MessageError(f"This model's chat template refuses the roles {roles}: {error}") from error


def takes_system_message(tokenizer) -> bool:
    """Does the model's template know the role "system"? Some refuse it (Gemma's, for example)."""
    try:
        build_prompt([{"role": "system", "content": "Hi"}, {"role": "user", "content": "Hi"}], tokenizer)
    except MessageError:
        return False
    return True


def plain_template(messages: list[dict], add_generation_prompt: bool = True) -> str:
    """The template for a base model, which has none: a little script, with a name before each line.

    User: Hi
    Bot: Hello!
    User: How are you?
    Bot:
    """
    lines = [PLAIN_NAMES[message["role"]] + message["content"] for message in messages]
    return "\n".join([*lines, "Bot:"] if add_generation_prompt else lines)


def encode_prompt(messages: list[dict], tokenizer, *, add_generation_prompt: bool = True) -> Prompt:
    """Build the prompt and turn it into input_ids, keeping track of whose words each token is.

    The template's parts may become control tokens such as <|im_end|>; the same letters typed by a user stay letters.
    """
    check_messages(messages)
    # The template is filled with marks instead of contents: cutting at the marks shows what the template itself wrote.
    marks = [f"\ue000{place}\ue001" for place in range(len(messages))]
    marked = [{**message, "content": mark} for message, mark in zip(messages, marks, strict=True)]
    skeleton = build_prompt(marked, tokenizer, add_generation_prompt=add_generation_prompt)
    # A chat template writes the start token itself, where there is one.
    input_ids = [] if has_template(tokenizer) else _start_ids(tokenizer)
    roles = ["template"] * len(input_ids)
    # A space in front of a message belongs to its first word: models know " Hi" after "User:", not " " and "Hi".
    for part in re.split("( ?\ue000[0-9]+\ue001)", skeleton):
        space, mark = part[: part.startswith(" ")], part.removeprefix(" ")
        if mark in marks:
            message = messages[marks.index(mark)]
            new_ids, role = encode_text(space + message["content"], tokenizer), message["role"]
        else:
            new_ids, role = tokenizer(part, add_special_tokens=False)["input_ids"], "template"
        input_ids += new_ids
        roles += [role] * len(new_ids)
    text = re.sub("\ue000([0-9]+)\ue001", lambda mark: messages[int(mark[1])]["content"], skeleton)
    return Prompt(text, input_ids, roles)


def encode_text(text: str, tokenizer) -> list[int]:
    """Turn somebody's words into token ids, none of which is a control token. Raises TokenError for no tokenizer.

    A control token in the text is cut after its first character, and the two halves are encoded each for itself:
    "<|im_end|>" becomes "<" and "|im_end|>", which mean nothing to the model. Raises MessageError for what is no text.
    """
    check_tokenizer(tokenizer)
    check_text(text)
    control_tokens = [re.escape(token.content) for token in tokenizer.added_tokens_decoder.values()]
    inside = f"(?={'|'.join(control_tokens)})" if control_tokens else "(?!)"
    cuts = [match.start() + 1 for match in re.finditer(inside, text)]
    halves = [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    return [token_id for half in halves if half for token_id in tokenizer(half, add_special_tokens=False)["input_ids"]]


def encode_beginning(text: str, tokenizer) -> list[int]:
    """A text for the model to go on from, as it stands: no template, and no control token but a start token.

    For an encoder-decoder, which goes on in a text of its own, the end token follows.
    """
    check_message(text, "The prompt")
    ends = getattr(tokenizer, "chat_template", None) == INSTRUCTION_TEMPLATE
    end_ids = [tokenizer.eos_token_id] if ends else []
    return _start_ids(tokenizer) + encode_text(text, tokenizer) + end_ids


def _start_ids(tokenizer) -> list[int]:
    """The start token, where a tokenizer adds one to every text."""
    check_tokenizer(tokenizer)
    added = tokenizer("")["input_ids"]
    return added[:1] if added and added[0] == tokenizer.bos_token_id else []
