"""The roulette strip: the parts of the bar by hand, and a needle that points at what `draw` draws."""

import re

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from test_views_candidates import HOSTILE, SETTINGS, VALUES
from test_views_tokens import Page

from nanochat_helpers.errors import SettingsError
from nanochat_helpers.sampling import draw, process_logits
from nanochat_helpers.settings import GenerationSettings
from nanochat_helpers.views.markup import split_styles
from nanochat_helpers.views.roulette import roulette_data, roulette_html

TOY = ["cat", "dog", "hat"]
OFF = GenerationSettings(temperature=1.0, top_p=1.0)
NEEDLES = st.floats(0, 1, exclude_max=True)


def from_probs(*probs):
    return torch.tensor(probs).log()


def toy(u, settings=OFF, **others):
    return roulette_data(from_probs(0.2, 0.5, 0.3), TOY, settings, u, **others)


def widths(strip):
    return [float(width) for width in re.findall(r"width:([\d.]+)%", split_styles(roulette_html(strip))[1])]


# --- by hand


def test_the_bar_reads_from_the_most_likely_token_to_the_least_likely():
    segments = toy(0.6).segments
    assert [segment.text for segment in segments] == ["dog", "hat", "cat"]
    assert [segment.start for segment in segments] == pytest.approx([0, 0.5, 0.8])
    assert [segment.end for segment in segments] == pytest.approx([0.5, 0.8, 1])


@pytest.mark.parametrize(("u", "text"), [(0.0, "dog"), (0.49, "dog"), (0.51, "hat"), (0.79, "hat"), (0.999, "cat")])
def test_the_needle_points_at_the_token_whose_part_it_lies_in(u, text):
    assert toy(u).drawn.text == text
    assert f"The needle points at {text} " in Page(roulette_html(toy(u))).text


def test_a_lower_temperature_stretches_the_first_part_and_the_needle_stays():
    # At temperature 0.5 the probabilities are squared: 0.25, 0.09 and 0.04 of 0.38.
    strip = toy(0.6, OFF.change(temperature=0.5))
    assert [segment.end for segment in strip.segments] == pytest.approx([0.25 / 0.38, 0.34 / 0.38, 1])
    assert strip.drawn.text == "dog"
    assert strip.u == 0.6


def test_removed_tokens_have_no_part():
    strip = toy(0.99, OFF.change(top_k=2))
    assert [segment.text for segment in strip.segments] == ["dog", "hat"]
    assert widths(strip) == pytest.approx([62.5, 37.5])
    assert strip.n_others == 0


def test_all_others_share_the_end_of_the_bar_and_one_of_them_can_be_drawn():
    strip = toy(0.9, n=1)
    assert [segment.text for segment in strip.segments] == ["dog"]
    assert (strip.others_start, strip.n_others) == (pytest.approx(0.5), 2)
    assert (strip.drawn.text, strip.drawn.start, strip.drawn.end) == ("cat", pytest.approx(0.8), pytest.approx(1))
    assert "The needle points at cat (0.800–1.000, one of the 2 others)." in Page(roulette_html(strip)).text
    assert "others" not in roulette_html(toy(0.9))


def test_a_token_keeps_its_colour_when_the_order_of_the_bar_changes():
    before, after = toy(0.1), toy(0.1, OFF.change(repetition_penalty=5.0), input_ids=[1])
    assert [segment.text for segment in after.segments] == ["hat", "cat", "dog"]
    ranks = {segment.text: segment.own_rank for segment in before.segments}
    assert ranks == {segment.text: segment.own_rank for segment in after.segments} == {"dog": 0, "hat": 1, "cat": 2}
    for strip in (before, after):
        assert re.search('nc-rw0[^>]*aria-label="dog', roulette_html(strip))


def test_the_rank_of_a_token_beyond_the_first_ones_is_counted():
    logits = torch.tensor([2.0, 1.0, 3.0, 2.0, 2.0])
    strip = roulette_data(logits, list("abcde"), OFF.change(repetition_penalty=99.0), 0.0, input_ids=[0, 2, 3], n=2)
    assert [(segment.text, segment.own_rank) for segment in strip.segments] == [("e", 3), ("b", 4)]


def test_what_is_known_already_gives_the_same_strip():
    settings = OFF.change(temperature=0.7)
    stages = process_logits(from_probs(0.2, 0.5, 0.3), [], settings)
    assert toy(0.7, settings, stages=stages) == toy(0.7, settings)
    assert len(toy(0.7, stages=process_logits(from_probs(0.2, 0.5, 0.3), [], OFF.change(top_k=1))).segments) == 1


@pytest.mark.parametrize("u", [-0.01, 1.0, float("nan")])
def test_a_needle_beside_the_bar_is_refused(u):
    with pytest.raises(SettingsError, match="u="):
        toy(u)


# --- what must always hold


@given(values=st.lists(VALUES, min_size=1, max_size=30), settings=SETTINGS, u=NEEDLES, n=st.integers(1, 15))
def test_the_needle_points_at_what_draw_draws_and_the_bar_is_full(values, settings, u, n):
    logits = torch.tensor(values)
    probs = process_logits(logits, [0], settings).probs
    strip = roulette_data(logits, [f"t{place}" for place in range(len(values))], settings, u, input_ids=[0], n=n)
    assert strip.drawn.token_id == draw(probs, u)
    assert strip.drawn.start - 1e-12 <= u <= strip.drawn.end + 1e-12
    assert len(strip.segments) + strip.n_others == torch.count_nonzero(probs)
    assert [segment.start for segment in strip.segments] == [0, *(segment.end for segment in strip.segments[:-1])]
    for segment in strip.segments:
        assert segment.end - segment.start == pytest.approx(probs[segment.token_id].item(), abs=1e-6)
    assert (strip.n_others > 0) or strip.others_start == 1
    assert sum(widths(strip)) == pytest.approx(100, abs=0.01)
    Page(roulette_html(strip))


@pytest.mark.parametrize(
    "changes", [{}, {"temperature": 2.0}, {"top_p": 0.9}, {"top_k": 5}, {"temperature": 0.0}], ids=str
)
def test_with_the_real_model_the_needle_points_at_what_draw_draws(backbone, changes):
    settings = OFF.change(**changes)
    logits = backbone.next_token_logits(backbone.tokenizer.encode("I think that"))
    probs = process_logits(logits, [], settings).probs
    for u in (0.0, 0.3, 0.6, 0.95, 0.999):
        assert roulette_data(logits, backbone.tokenizer, settings, u).drawn.token_id == draw(probs, u)


# --- the drawing


def test_the_needle_stands_at_u_and_says_so():
    html = roulette_html(toy(0.6))
    assert "--u:0.60000" in html
    assert "u = 0.60" in Page(html).text
    assert "u = 0.123" in Page(roulette_html(toy(0.123))).text


def test_the_percentages_in_the_bar_add_up_to_100():
    strip = roulette_data(torch.zeros(7), list("abcdefg"), OFF, 0.5)
    shown = [float(percent) for percent in re.findall(r"<small>([\d.]+) %", roulette_html(strip))]
    assert len(shown) == 7
    assert sum(round(10 * percent) for percent in shown) == 1000


def test_a_part_that_is_too_short_for_its_name_has_it_as_a_label():
    html = roulette_html(roulette_data(from_probs(0.96, 0.04), ["long", "short"], OFF, 0.5))
    assert 'aria-label="short: 0.960–1.000"' in html
    assert "<span>short" not in html
    assert "<span>long" in html


def test_parts_shorter_than_a_thousandth_are_told_apart():
    strip = roulette_data(from_probs(0.99995, 0.00003, 0.00002), TOY, OFF, 0.99996)
    assert "dog (0.99995–0.99998)" in Page(roulette_html(strip)).text


def test_hostile_text_is_shown_as_text():
    for u in (0.1, 0.5, 0.99):
        html = roulette_html(roulette_data(torch.arange(len(HOSTILE), 0, -1).float() / 9, HOSTILE, OFF, u))
        page = Page(html)
        assert "script" not in page.tags
        assert "<script>alert(1)</" in page.text
        assert "\u202e" not in page.text + "".join(page.labels)
        assert not re.search("<[^>]*onmouseover", re.sub('"[^"<>]*"', '""', split_styles(html)[1]))
        assert len(html) < 10_000


def test_every_rank_has_a_look_of_its_own():
    looks = re.findall(r"\.nc-rw\d+\{[^}]*\}(?:\.nc-rw\d+\{--h[^}]*\})?", roulette_html(toy(0.5)))
    assert len({re.sub(r"rw\d+", "", look) for look in looks}) == 12
