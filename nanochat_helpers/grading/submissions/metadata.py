"""Read Gradescope's list of who handed in what: `submission_metadata.yml`, or the same as JSON.

In: the bytes of the file. Out: folder → its students. Of the YAML only the few lines that are needed are read, by their
indentation; it is no reader for YAML. Nothing in it is run.
"""

import json
import re
from typing import Any

WANTED = ("name", "sid", "email")
_TOP = re.compile(r"""["']?([^\s"'#-][^"']*?)["']?:\s*$""")
_KEY = re.compile(r"  :?(\w+):\s*(.*)$")
_PERSON = re.compile(r"  (?:  )?(- |  ):?(\w+):\s*(.*)$")


def submitters(raw: bytes, name: str) -> dict[str, list[dict[str, str]]]:
    """Folder → students, each with what is known of "name", "sid" and "email"; {} for what cannot be read."""
    text = raw.decode("utf-8-sig", "replace")
    found = _from_json(text) if name.endswith(".json") else _from_yaml(text)
    return {folder: people for folder, people in found.items() if people}


def _from_yaml(text):
    found: dict[str, list[dict[str, str]]] = {}
    folder, is_inside = "", False
    for line in text.splitlines():
        if top := _TOP.match(line):
            folder, is_inside = top[1], False
        elif is_inside and (person := _PERSON.match(line)):
            people = found.setdefault(folder, [])
            if person[1] == "- " or not people:
                people.append({})
            if person[2] in WANTED:
                people[-1][person[2]] = _scalar(person[3])
        elif key := _KEY.match(line):
            is_inside = bool(folder) and key[1] == "submitters"
    return {folder: [each for each in people if any(each.values())] for folder, people in found.items()}


def _scalar(text):
    """A value without its quotes."""
    text = text.strip()
    if len(text) > 1 and text[0] == text[-1] == "'":
        return text[1:-1].replace("''", "'")
    if len(text) > 1 and text[0] == text[-1] == '"':
        try:
            return str(json.loads(text))
        except ValueError:
            return text[1:-1]
    return "" if text in ("null", "~") else text


def _from_json(text):
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    entries = data.items() if isinstance(data, dict) else ()
    return {folder: _people(each) for folder, each in entries if isinstance(each, dict)}


def _people(entry: dict[str, Any]):
    lists = [entry.get(key) for key in (":submitters", "submitters", "users")]
    people = [
        each for each in next((found for found in lists if isinstance(found, list)), []) if isinstance(each, dict)
    ]
    return [each for each in map(_person, people) if each]


def _person(data):
    values = {name: data.get(f":{name}", data.get(name)) for name in WANTED}
    return {name: str(value) for name, value in values.items() if value not in (None, "")}
