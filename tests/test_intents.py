"""A message gets the intent of its nearest example, or none where no example is near."""

import pytest
import torch

from nanochat_helpers.errors import MessageError, SettingsError
from nanochat_helpers.intents import Intent, NearestExample

EXAMPLES = {
    "greeting": ["hi", "hello there", "good morning"],
    "goodbye": ["bye", "see you later", "I have to go now"],
    "opening hours": ["when do you open?", "are you open on Sunday?"],
}
ANGLES = {"east": 0, "also east": 0, "north": 90, "north-east": 45, "nearly east": 20, "west": 180}


def compass(texts):
    """A toy encoder: each text is a direction, and the cosine of the angle between two says how alike they are."""
    angles = torch.tensor([float(ANGLES[text]) for text in texts]).deg2rad()
    return torch.stack([angles.cos(), angles.sin()], dim=1)


def test_the_score_is_the_cosine_to_the_nearest_example():
    intent = NearestExample(compass, {"right": ["east"], "up": ["north"]})("nearly east")
    assert intent == Intent("right", "east", pytest.approx(0.9397, abs=1e-4))  # cos 20°


def test_below_the_threshold_there_is_no_intent_but_still_a_nearest_example():
    examples = {"right": ["east"]}
    assert NearestExample(compass, examples, threshold=0.7)("north-east").label == "right"  # cos 45° = 0.707
    assert NearestExample(compass, examples, threshold=0.71)("north-east") == Intent(
        None, "east", pytest.approx(0.7071, abs=1e-4)
    )
    assert NearestExample(compass, examples, threshold=-1)("west").label == "right"


def test_of_equally_near_examples_the_first_decides():
    assert NearestExample(compass, {"a": ["east"], "b": ["also east"]})("nearly east").label == "a"
    assert NearestExample(compass, {"b": ["also east"], "a": ["east"]})("nearly east").label == "b"


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("Hello!", "greeting"),
        ("Hi, nice to meet you", "greeting"),
        ("bye bye", "goodbye"),
        ("at what time do you close?", "opening hours"),
        ("Is the shop open today?", "opening hours"),
        ("How tall is Mount Everest?", None),
        ("asdf qwer", None),
        ("2+2", None),
    ],
)
def test_minilm_tells_intents_in_other_words_than_the_examples(text, label, minilm):
    assert NearestExample(minilm.embed, EXAMPLES)(text).label == label


def test_an_example_itself_has_the_highest_score(minilm):
    what = NearestExample(minilm.embed, EXAMPLES)
    for label, texts in EXAMPLES.items():
        for text in texts:
            assert what(text) == Intent(label, text, pytest.approx(1, abs=1e-4))


@pytest.mark.parametrize(
    "examples", [None, {}, [], "greeting", {"greeting": []}, {"greeting": "hi"}, {"greeting": None}, {"greeting": 3}]
)
def test_what_holds_no_examples_is_one_sentence(examples):
    with pytest.raises(SettingsError, match=r"must be like|needs a list of examples"):
        NearestExample(compass, examples)


def test_examples_and_messages_must_be_text():
    with pytest.raises(MessageError, match="An example of the intent 'up' must be text, not int"):
        NearestExample(compass, {"up": ["north", 3]})
    what = NearestExample(compass, {"up": ["north"]})
    for message, sentence in (("", "is empty"), (" \n", "is empty"), (None, "must be text"), ("\ud83d", "half of")):
        with pytest.raises(MessageError, match=sentence):
            what(message)


@pytest.mark.parametrize("threshold", [None, "0.5", True, 1.5, -2, float("nan")])
def test_a_threshold_is_a_number_from_minus_1_to_1(threshold):
    with pytest.raises(SettingsError, match=r"threshold=.* is not allowed"):
        NearestExample(compass, {"up": ["north"]}, threshold=threshold)


def test_embed_is_a_function_and_not_the_model(minilm):
    with pytest.raises(SettingsError, match=r"load_model\('minilm'\).embed"):
        NearestExample(minilm, EXAMPLES)
