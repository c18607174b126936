"""The knobs: good values pass, a bad one is named together with its value, and so is the nearest name for a typo."""

import copy
import dataclasses
import math
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nanochat_helpers.errors import NanoChatError, SettingsError
from nanochat_helpers.settings import DEFAULT_MAX_NEW_TOKENS, PRESETS, GenerationSettings, check_names

NO_NUMBER = ["0.5", "", None, True, False, [1], (), 1j, float("nan"), float("inf"), float("-inf"), 10**400]
NO_COUNT = ["1", 1.0, 0.5, True, False, [1], -1, float("nan"), float("inf")]
BAD = {
    "temperature": [*NO_NUMBER, -0.1, 1e-6, 100.1, -1],
    "top_p": [*NO_NUMBER, 2.0, 1.0001, -0.1],
    "min_p": [*NO_NUMBER, 2.0, -0.1],
    "repetition_penalty": [*NO_NUMBER, 0, 0.001, -1.2, 1000],
    "top_k": [*NO_COUNT, None],
    "max_new_tokens": [*NO_COUNT, 0],
    "max_length": [*NO_COUNT, 0],
    "seed": NO_COUNT,
    "do_sample": [0, 1, "yes", None],
    "penalise_prompt": [0, 1, "no", None],
    "stop": ["", [""], ["a", ""], [1], 5, None, {"a"}, b"a", ["a", None]],
}
GOOD = {
    "temperature": [0, 0.0, -0.0, 1e-5, 1, 2.5, 100],
    "top_p": [0, 0.0, 0.5, 1, 1.0],
    "min_p": [0, 0.05, 1],
    "repetition_penalty": [0.01, 1, 1.3, 100],
    "top_k": [0, 1, 10**9],
    "max_new_tokens": [None, 1, 10**9],
    "max_length": [None, 1],
    "seed": [None, 0, 2**70],
    "do_sample": [True, False],
    "penalise_prompt": [True, False],
    "stop": ["\nUser:", ["a", "b"], ("a",), [], ()],
}


def cases(values):
    return [pytest.param(name, value, id=f"{name}={value!r:.30}") for name in values for value in values[name]]


def test_every_knob_has_good_and_bad_values_here():
    knobs = {field.name for field in dataclasses.fields(GenerationSettings)}
    assert knobs == GOOD.keys() == BAD.keys()


@pytest.mark.parametrize(("name", "value"), cases(BAD))
def test_a_bad_value_is_refused_with_its_knob_its_value_and_what_is_allowed(name, value):
    with pytest.raises(SettingsError) as caught:
        GenerationSettings(**{name: value})
    assert str(caught.value).startswith(f"{name}={value!r} is not allowed: it must be ")


@pytest.mark.parametrize(("name", "value"), cases(GOOD))
def test_a_good_value_is_taken(name, value):
    taken = getattr(GenerationSettings(**{name: value}), name)
    expected = value if name != "stop" else (value,) if isinstance(value, str) else tuple(value)
    assert taken == expected


def test_a_settings_error_is_a_value_error_and_one_of_ours():
    assert issubclass(SettingsError, ValueError)
    assert issubclass(SettingsError, NanoChatError)


@given(st.floats())
def test_any_float_is_either_a_temperature_that_works_or_refused(temperature):
    try:
        settings = GenerationSettings(temperature=temperature)
    except SettingsError:
        assert not (temperature == 0 or 1e-5 <= temperature <= 100)
    else:
        assert settings.greedy == (temperature == 0)
        assert math.isfinite(settings.temperature)


def test_settings_are_frozen_and_keyword_only():
    with pytest.raises(dataclasses.FrozenInstanceError):
        GenerationSettings().temperature = 1.0
    with pytest.raises(TypeError):
        GenerationSettings(100)


def test_equal_settings_are_equal_and_hash_alike():
    assert GenerationSettings(stop=["a"]) == GenerationSettings(stop=("a",))
    assert hash(GenerationSettings(stop=["a"])) == hash(GenerationSettings(stop=("a",)))


def test_change_gives_a_copy_and_leaves_the_original():
    before = GenerationSettings(temperature=0.5)
    after = before.change(top_k=5, stop="END")
    assert (after.temperature, after.top_k, after.stop) == (0.5, 5, ("END",))
    assert before == GenerationSettings(temperature=0.5)


def test_change_checks_the_new_values():
    with pytest.raises(SettingsError, match=r"^top_p=2\.0 is not allowed"):
        GenerationSettings().change(top_p=2.0)


@pytest.mark.parametrize(
    ("typo", "meant"),
    [
        ("temprature", "temperature"),
        ("Temperature", "temperature"),
        ("topp", "top_p"),
        ("top-k", "top_k"),
        ("max_tokens", "max_new_tokens"),
        ("repetition_penality", "repetition_penalty"),
        ("penalize_prompt", "penalise_prompt"),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest_one(typo, meant):
    with pytest.raises(SettingsError) as caught:
        GenerationSettings().change(**{typo: 1})
    assert str(caught.value) == f"There is no setting called {typo!r}: did you mean {meant!r}?"


def test_a_name_that_is_near_to_nothing_gets_the_list_of_all():
    with pytest.raises(SettingsError, match="'xyzzy': the settings are max_new_tokens, max_length, do_sample, "):
        check_names({"xyzzy": 1})


@pytest.mark.parametrize("name", [5, None, ("top_k",)])
def test_a_name_that_is_no_text_is_refused_too(name):
    with pytest.raises(SettingsError, match="There is no setting called"):
        check_names({name: 1})


def test_known_names_pass():
    check_names(dict.fromkeys(GOOD))


@pytest.mark.parametrize(
    ("knobs", "greedy"),
    [
        ({}, False),
        ({"do_sample": False}, True),
        ({"do_sample": False, "temperature": 5}, True),
        ({"temperature": 0}, True),
        ({"temperature": 1e-5}, False),
    ],
)
def test_greedy_is_no_sampling_or_no_temperature(knobs, greedy):
    assert GenerationSettings(**knobs).greedy is greedy


@pytest.mark.parametrize(
    ("knobs", "prompt_length", "budget"),
    [
        ({}, 10, DEFAULT_MAX_NEW_TOKENS),
        ({"max_new_tokens": 5}, 10, 5),
        ({"max_length": 60}, 10, 50),
        ({"max_length": 60}, 60, 0),
        ({"max_length": 60}, 1000, 0),
        ({"max_new_tokens": 5, "max_length": 11}, 10, 5),
        ({"max_new_tokens": 5, "max_length": 3}, 10, 5),
    ],
)
def test_max_length_counts_the_prompt_and_max_new_tokens_wins(knobs, prompt_length, budget):
    assert GenerationSettings(**knobs).token_budget(prompt_length) == budget


def test_a_misspelt_name_is_refused_with_the_nearest_one_also_when_settings_are_made():
    with pytest.raises(SettingsError, match="'temprature': did you mean 'temperature'"):
        GenerationSettings(temprature=0.2)


def test_settings_can_be_copied_and_pickled():
    settings = GenerationSettings(temperature=0.2, stop="END")
    assert copy.deepcopy(settings) == pickle.loads(pickle.dumps(settings)) == settings  # noqa: S301 - our own bytes


def test_single_numbers_of_numpy_become_pythons():
    settings = GenerationSettings(top_k=np.int64(5), temperature=np.float32(0.5), seed=np.int32(3))
    assert (settings.top_k, settings.temperature, settings.seed) == (5, 0.5, 3)
    assert type(settings.top_k) is int and type(settings.temperature) is float
    with pytest.raises(SettingsError, match="temperature"):
        GenerationSettings(temperature=np.array([0.1, 0.2]))


# --- as code, and the presets


@pytest.mark.parametrize(
    "settings",
    [
        GenerationSettings(),
        GenerationSettings(temperature=0.0, seed=3, stop=("\n'\"", "汉"), do_sample=False, max_length=9),
        *PRESETS.values(),
    ],
)
def test_the_code_makes_the_same_settings(settings):
    assert eval(settings.as_code()) == settings


def test_the_code_names_only_what_was_changed():
    assert GenerationSettings(temperature=0.3, seed=4).as_code() == "GenerationSettings(temperature=0.3, seed=4)"


def test_the_presets_go_from_always_the_same_to_nearly_anything():
    assert list(PRESETS) == ["greedy", "careful", "balanced", "wild"]
    assert PRESETS["greedy"].greedy
    assert PRESETS["balanced"] == GenerationSettings()
    assert sorted(PRESETS.values(), key=lambda preset: preset.temperature) == list(PRESETS.values())
