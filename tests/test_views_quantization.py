"""The picture of rounding: a row by hand, the widget's slider, and that nothing is cut off or hidden."""

import re
import sys

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from ipywidgets import Widget
from test_views_tokens import Page

from nanochat_helpers.errors import SettingsError
from nanochat_helpers.views.markup import split_styles
from nanochat_helpers.views.quantization import rounded_row_data, rounded_row_html
from nanochat_helpers.widgets import rounded_row_widget
from nanochat_helpers.widgets.live import StaticView

TOY = [0.31, -0.6, 0.04, 0.9, -0.17, 0.56, -0.28, 0.12]  # from -0.6 to 0.9: the step is 1.5 / 15 = 0.1
ROWS = st.lists(st.floats(-10, 10, width=32), min_size=1, max_size=64)


@pytest.fixture(autouse=True)
def close_widgets():
    yield
    Widget.close_all()


def test_the_data_by_hand():
    row = rounded_row_data(TOY, 4)
    assert [weight.code for weight in row.weights] == [9, 0, 6, 15, 4, 12, 3, 7]
    assert [round(weight.rounded, 2) for weight in row.weights] == [0.3, -0.6, 0, 0.9, -0.2, 0.6, -0.3, 0.1]
    assert (row.n_levels, row.bits_per_weight) == (16, 8)  # 4 bits, and 32 more for only 8 weights
    assert row.step == pytest.approx(0.1, rel=1e-3) and row.highest == pytest.approx(0.9, rel=1e-3)
    assert row.largest_error == pytest.approx(0.04, abs=1e-3)
    assert row.mean_error == pytest.approx((1 + 0 + 4 + 0 + 3 + 4 + 2 + 2) / 800, abs=1e-3)


def test_the_numbers_of_a_short_row_stand_below_it():
    html = rounded_row_html(rounded_row_data(TOY, 4))
    assert re.findall(r"<td>([^<]+)</td>", html)[8:16] == ["9", "0", "6", "15", "4", "12", "3", "7"]
    assert re.findall(r"<td>([^<]+)</td>", html)[24:] == [
        "-0.01",
        "0.00",
        "-0.04",
        "0.00",
        "-0.03",
        "0.04",
        "-0.02",
        "-0.02",
    ]
    assert "<td>-0.00" not in html
    assert "<td>" not in rounded_row_html(rounded_row_data(torch.randn(9), 4))


def test_large_numbers_are_written_shorter():
    row = [-50.0, 9.996, 99.96, -1234.5, 0.004]
    numbers = re.findall(r"<td>([^<]+)</td>", rounded_row_html(rounded_row_data(row, 8)))
    assert numbers[:5] == ["-50.0", "10.0", "100", "-1234", "0.00"]


def test_levels_are_lines_as_long_as_they_can_be_told_apart():
    few, many = (split_styles(rounded_row_html(rounded_row_data(TOY, bits)))[1] for bits in (4, 8))
    assert few.count("nc-qn-level") == 16
    assert many.count("nc-qn-level") == 0 and "too close together to draw" in many


@given(weights=ROWS, bits=st.integers(2, 8))
def test_everything_lies_inside_its_frame(weights, bits):
    html = split_styles(rounded_row_html(rounded_row_data(weights, bits)))[1]
    errors = html.split('class="nc-qn-errors"')[1]
    places = [float(place) for place in re.findall(r"bottom:(-?[\d.]+)%;?\"", html)]
    assert all(-3 <= place <= 103 for place in places)
    assert all(float(height) <= 53 for height in re.findall(r"height:([\d.]+)%", errors))


@pytest.mark.parametrize(
    "row", [[1000.3, 1000.31], [5.001, 5.002, 5.0015], [0.1] * 5, [6e4 + 0.7] * 3, [1e-7, 9e-7, 5e-7], [1e-9, 2e-9]]
)
@pytest.mark.parametrize("bits", [2, 4, 8])
def test_rows_whose_step_or_lowest_value_is_rounded_roughly_stay_inside_too(row, bits):
    html = split_styles(rounded_row_html(rounded_row_data(row, bits)))[1]
    places = [float(place) for place in re.findall(r"bottom:(-?[\d.]+)%", html)]
    assert all(-0.01 <= place <= 100.01 for place in places)
    heights = re.findall(r"height:([\d.]+)%", html.split('class="nc-qn-errors"')[1])
    assert all(float(height) <= 50 for height in heights)


def test_a_row_of_equal_weights_is_drawn_too():
    row = rounded_row_data([0.25] * 5, 4)
    assert (row.step, row.largest_error) == (0, 0)
    assert "largest error <b>0</b>" in rounded_row_html(row)


def test_a_screen_reader_hears_what_happened():
    page = rounded_row_html(rounded_row_data(TOY, 4))
    assert 'aria-label="0.31 becomes level 9, which is 0.3"' in page
    assert "8 weights rounded to 16 levels: the largest error is 0.04" in page
    assert "4 bits: 16 levels" in Page(page).text


@pytest.mark.parametrize("weights", [[], [[1.0, 2.0]], [0.0] * 65, 3.0])
def test_what_is_no_row_is_refused(weights):
    with pytest.raises(SettingsError, match="one row of 1 to 64"):
        rounded_row_data(weights)


@pytest.mark.parametrize("weights", [["a"], "abc", None, [1, None], [float("nan"), 1.0]])
def test_what_are_no_numbers_is_refused(weights):
    with pytest.raises(SettingsError, match="must be numbers"):
        rounded_row_widget(weights)


@pytest.mark.parametrize("bits", [1, 9, 2.5])
def test_other_bits_are_refused(bits):
    with pytest.raises(SettingsError, match=f"bits={bits} is not allowed"):
        rounded_row_data(TOY, bits)


# --- the widget


def test_the_slider_changes_the_bits():
    view = rounded_row_widget(TOY, 4)
    view.controls["bits"].value = 2
    assert view.data == rounded_row_data(TOY, 2)
    assert "2 bits: 4 levels" in Page(view.html).text
    assert (view.controls["bits"].min, view.controls["bits"].max) == (2, 8)


def test_without_widgets_the_picture_stands_still(monkeypatch):
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    view = rounded_row_widget(torch.tensor(TOY), 3)
    assert isinstance(view, StaticView) and view.data.bits == 3
