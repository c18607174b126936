"""Step 3, prompt construction: from a list of messages to the one text that the model will continue.

`build` writes and encodes prompts; `lint` reads one that somebody wrote by hand and finds its faults.
"""

from .build import (
    INSTRUCTION_TEMPLATE,
    PLAIN_NAMES,
    PLAIN_STOP,
    ROLES,
    Prompt,
    add_instruction_template,
    build_prompt,
    check_message,
    check_messages,
    encode_beginning,
    encode_prompt,
    encode_text,
    has_template,
    plain_template,
    stop_strings,
    takes_system_message,
)
from .lint import Fault, lint_prompt

__all__ = [
    "INSTRUCTION_TEMPLATE", "PLAIN_NAMES", "PLAIN_STOP", "ROLES", "Fault", "Prompt", "add_instruction_template",
    "build_prompt", "check_message", "check_messages", "encode_beginning", "encode_prompt", "encode_text",
    "has_template", "lint_prompt", "plain_template", "stop_strings", "takes_system_message",
]  # fmt: skip
