"""Gradescope's list is read by its few lines that count, and any other text gives no students and no error."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nanochat_helpers.grading.submissions.metadata import submitters

LIST = """---
submission_409:
  :submitters:
  - :name: First Last
    :sid: '0017'
    :email: first@x.org
  :created_at: 2026-04-26 17:34:00.861687000 Z
  :score: 2.0
  :results:
    score: 2.0
    output: |-
      submission_1:
      :submitters:
      - :name: Not a student
submission_500:
  :submitters:
  - :name: "Zo\\u00eb \\"Z\\""
    :sid: '1'
  - :name: 'O''Brien'
    :sid:
submission_600:
  :submitters:
    - :sid: 333
      :name: Deeper
submission_700:
  :submitters: []
'12.ipynb':
  submitters:
  - name: Plain
"""
EXPECTED = {
    "submission_409": [{"name": "First Last", "sid": "0017", "email": "first@x.org"}],
    "submission_500": [{"name": 'Zoë "Z"', "sid": "1"}, {"name": "O'Brien", "sid": ""}],
    "submission_600": [{"sid": "333", "name": "Deeper"}],
    "12.ipynb": [{"name": "Plain"}],
}


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_the_lines_that_count_are_read(end):
    assert submitters(LIST.replace("\n", end).encode(), "submission_metadata.yml") == EXPECTED


@pytest.mark.parametrize("key", [":submitters", "submitters", "users"])
def test_json_is_read_too(key):
    data = {"submission_1": {key: [{":name": "Anna", "sid": 17, "x": 1}, 5]}, "submission_2": {key: []}, "x": 3}
    raw = json.dumps(data).encode()
    assert submitters(raw, "submission_metadata.json") == {"submission_1": [{"name": "Anna", "sid": "17"}]}


@settings(deadline=None)
@given(st.one_of(st.binary(), st.text(alphabet=" -:'\"\nnamesubitr", max_size=80).map(str.encode)))
def test_anything_else_gives_no_error(raw):
    for name in ("submission_metadata.yml", "submission_metadata.json"):
        for people in submitters(raw, name).values():
            assert all(isinstance(value, str) for person in people for value in person.values())


@pytest.mark.parametrize("raw", [b"[" * 100_000, b"[]", b"3", b'{"a": {"users": {"name": "x"}}}'])
def test_json_of_another_form_gives_nothing(raw):
    assert submitters(raw, "submission_metadata.json") == {}
