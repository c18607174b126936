"""Pictures that stand still: what is drawn is what was given, and text stays text."""

import math

import matplotlib
import pytest
from hypothesis import given
from hypothesis import strategies as st

matplotlib.use("agg")

import matplotlib.pyplot as plt
from matplotlib.colors import to_hex

from nanochat_helpers import plots
from nanochat_helpers.plots import FONT_SIZE, plot_lines, plot_token_bars

WORDS = ["Once", " upon", " a", " time"]
HOSTILE = [
    "$x$",
    "$\\frac{1}",
    "\\$5",
    "_name",
    "<script>alert(1)</script>",
    "x" * 10_000,
    "\u202eabc",
    "a\nb\tc\rd",
    "\x00\x1b",
    "\u0301",
    "%s {0}",
    "",
]


@pytest.fixture(autouse=True)
def no_figure_stays_open():
    yield
    plt.close("all")


def labels_of(ax):
    return [label.get_text() for label in ax.get_xticklabels()]


def values_on(ax):
    return [text.get_text() for text in ax.texts]


def heights_of(ax):
    return [bar.get_height() for bar in ax.patches]


def seen(text):
    """What a token's text looks like under its bar."""
    return labels_of(plot_token_bars([text], [1], ylabel="bits"))[0]


def draw(ax):
    """Really draw: only then does matplotlib look for glyphs and formulas."""
    ax.get_figure().canvas.draw()


# --- bars


def test_each_token_has_a_bar_of_its_value_and_its_text():
    ax = plot_token_bars(WORDS, [4, 14.7, 2.84, 0], ylabel="surprise (bits)")
    assert heights_of(ax) == [4, 14.7, 2.84, 0]
    assert labels_of(ax) == ["Once", "·upon", "·a", "·time"]
    assert values_on(ax) == ["4.0", "14.7", "2.8", "0.0"]
    assert ax.get_ylabel() == "surprise (bits)"


@pytest.mark.parametrize(
    ("values", "numerals"),
    [([0.5, 0.123], ["0.50", "0.12"]), ([1, 99.94], ["1.0", "99.9"]), ([0.4, 1234.5], ["0", "1234"])],
)
def test_the_longest_bar_decides_how_many_decimals_all_have(values, numerals):
    assert values_on(plot_token_bars(["a", "b"], values, ylabel="")) == numerals


def test_a_token_without_a_value_gets_a_dash_and_no_bar():
    ax = plot_token_bars(["a", "b", "c"], [None, 2.0, math.nan], ylabel="bits")
    assert heights_of(ax) == [0, 2, 0]
    assert values_on(ax) == ["–", "2.0", "–"]


def test_an_infinite_surprise_is_higher_than_all_others_and_says_so():
    ax = plot_token_bars(["a", "b", "c"], [3.0, math.inf, -math.inf], ylabel="bits")
    draw(ax)
    assert heights_of(ax)[1] > 3 > -3 > heights_of(ax)[2] and all(map(math.isfinite, heights_of(ax)))
    assert values_on(ax)[1:] == ["∞", "-∞"]


def test_infinity_alone_is_still_a_bar():
    assert heights_of(plot_token_bars(["a"], [math.inf], ylabel="bits"))[0] > 0


@pytest.mark.parametrize("values", [[], [None], [0.0, 0.0], [math.inf]])
def test_bars_of_no_height_can_be_drawn(values):
    draw(plot_token_bars(["a"] * len(values), values, ylabel="bits"))


@pytest.mark.parametrize("values", [[1], [1, 2, 3]])
def test_texts_and_values_must_be_equally_many(values):
    with pytest.raises(ValueError, match=f"not 2 and {len(values)}"):
        plot_token_bars(["a", "b"], values, ylabel="bits")


def boxes_of(labels, ax):
    draw(ax)
    return [label.get_window_extent() for label in labels if label.get_text()]


def touch(boxes):
    return any(left.x1 >= right.x0 for left, right in zip(boxes, boxes[1:], strict=False))


@pytest.mark.parametrize("length", range(1, 12))
@pytest.mark.parametrize("n", [4, 13])
def test_labels_stand_upright_unless_they_would_touch(n, length):
    ax = plot_token_bars(["n" * length] * n, [10.5] * n, ylabel="bits")
    assert ax.get_xticklabels()[0].get_rotation() or not touch(boxes_of(ax.get_xticklabels(), ax))


@pytest.mark.parametrize("n", [4, 24, 25, 40])
def test_the_values_on_the_bars_never_touch(n):
    ax = plot_token_bars(["a"] * n, [10.5] * n, ylabel="bits")
    boxes = boxes_of(ax.texts, ax)
    assert not touch(boxes)
    assert all(box.y1 < ax.bbox.y1 for box in boxes)


def test_few_short_labels_stand_upright_and_many_long_ones_lean():
    few, many = (plot_token_bars(texts, [1] * len(texts), ylabel="") for texts in (WORDS, [" restaurant"] * 13))
    assert [few.get_xticklabels()[0].get_rotation(), many.get_xticklabels()[0].get_rotation()] == [0, 45]


@pytest.mark.parametrize("n", [1, 13, 40])
def test_values_and_labels_are_inside_the_figure(n):
    ax = plot_token_bars([" restaurant"] * n, [20.1] * n, ylabel="surprise (bits)")
    for box in boxes_of([*ax.get_xticklabels(), *ax.texts, ax.yaxis.label], ax):
        assert ax.get_figure().bbox.contains(box.x0, box.y0) and ax.get_figure().bbox.contains(box.x1, box.y1)


# --- lines


def test_each_line_has_its_values_and_its_name():
    ax = plot_lines({"with": [1, 2, 3], "without": [1, 4, 9, 16]}, xlabel="token", ylabel="seconds")
    assert [line.get_xydata().tolist() for line in ax.lines] == [
        [[1, 1], [2, 2], [3, 3]],
        [[1, 1], [2, 4], [3, 9], [4, 16]],
    ]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["with", "without"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("token", "seconds")


def test_there_are_only_whole_numbers_below_the_points():
    ax = plot_lines({"a": [1, 2]}, xlabel="token", ylabel="seconds")
    assert all(place == int(place) for place in ax.get_xticks())


@pytest.mark.parametrize(
    ("n", "places"),
    [
        (0, []),
        (1, [1]),
        (12, list(range(1, 13))),
        (24, [1, 5, 10, 15, 20]),
        (100, [1, *range(10, 101, 10)]),
        (3000, [1, *range(500, 3001, 500)]),
    ],
)
def test_the_places_below_the_points_begin_at_1(n, places):
    ax = plot_lines({"short": [1] * min(n, 2), "long": [1] * n}, xlabel="token", ylabel="seconds")
    assert ax.get_xticks().tolist() == places


def test_the_y_axis_begins_at_0_unless_something_is_below():
    assert plot_lines({"a": [5, 6], "b": [7]}, xlabel="", ylabel="").get_ylim()[0] == 0
    assert plot_lines({"a": [5, 6], "b": [-7]}, xlabel="", ylabel="").get_ylim()[0] < -7
    _, ax = plt.subplots()
    ax.plot([1, 2], [-3, 3])
    assert plot_lines({"a": [5, 6]}, xlabel="", ylabel="", ax=ax).get_ylim()[0] < -3


def test_a_name_belongs_to_its_own_line():
    """The legend is given the lines that were drawn now, not those that were there before."""
    _, ax = plt.subplots()
    ax.plot([1, 2], color="red")
    plot_lines({"a": [1, 2], "b": [2, 1]}, xlabel="", ylabel="", ax=ax)
    handles = ax.get_legend().get_lines()
    assert [line.get_color() for line in handles] == [line.get_color() for line in ax.lines[1:]]


def test_twenty_lines_differ_without_colour():
    ax = plot_lines({str(n): [n] for n in range(20)}, xlabel="", ylabel="")
    assert len({(line.get_linestyle(), line.get_marker()) for line in ax.lines}) == 20


def test_the_first_seven_lines_have_seven_colours_and_none_is_pale():
    ax = plot_lines({str(n): [n] for n in range(7)}, xlabel="", ylabel="")
    colours = [to_hex(line.get_color()) for line in ax.lines]
    assert len(set(colours)) == 7 and "#f0e442" not in colours


def test_no_line_at_all_is_an_empty_picture():
    ax = plot_lines({}, xlabel="token", ylabel="seconds")
    draw(ax)
    assert ax.get_legend() is None


# --- both


@pytest.mark.parametrize(
    "plot",
    [
        lambda ax: plot_token_bars(WORDS, [1, 2, 3, 4], ylabel="bits", ax=ax),
        lambda ax: plot_lines({"a": [1, 2]}, xlabel="x", ylabel="y", ax=ax),
    ],
)
class TestBoth:
    def test_a_given_axes_is_drawn_on_and_given_back(self, plot):
        _, (left, right) = plt.subplots(1, 2)
        assert plot(left) is left
        assert left.has_data() and not right.has_data()
        assert len(plt.get_fignums()) == 1

    def test_without_one_there_is_one_new_figure(self, plot):
        assert [plot(None).get_figure().number, plot(None).get_figure().number] == plt.get_fignums()

    def test_no_setting_of_matplotlib_is_changed(self, plot):
        before = dict(matplotlib.rcParams)
        plot(None)
        assert dict(matplotlib.rcParams) == before

    def test_everything_can_be_read_from_afar(self, plot):
        ax = plot(None)
        shown = [*ax.get_xticklabels(), *ax.get_yticklabels(), *ax.texts, ax.xaxis.label, ax.yaxis.label]
        shown += ax.get_legend().get_texts() if ax.get_legend() else []
        assert {text.get_fontsize() for text in shown if text.get_text()} == {FONT_SIZE}

    def test_a_dark_style_is_followed(self, plot):
        with plt.style.context("dark_background"):
            ax = plot(None)
            assert to_hex(ax.yaxis.label.get_color()) == "#ffffff" == to_hex(ax.get_xticklabels()[0].get_color())


# --- text stays text (a warning, as for a missing glyph, would fail these tests)


@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
def test_hostile_text_is_drawn_as_text(text):
    draw(plot_token_bars([text, "b"], [1, 2], ylabel="bits"))
    draw(plot_lines({text: [1, 2]}, xlabel="x", ylabel="y"))


@given(text=st.text(max_size=10))
def test_any_text_can_be_drawn(text):
    draw(plot_token_bars([text], [1], ylabel="bits"))
    plt.close("all")


@pytest.mark.parametrize("text", ["$x$", "_name", "\\$5", "<b>"])
def test_what_can_be_seen_is_shown_as_it_is(text):
    assert seen(text) == text
    ax = plot_lines({text: [1]}, xlabel="$x$", ylabel="$y$")
    assert ax.get_legend().get_texts()[0].get_text() == text
    assert not any(shown.get_parse_math() for shown in [*ax.get_legend().get_texts(), ax.xaxis.label, ax.yaxis.label])


def test_dollars_below_a_bar_start_no_formula():
    ax = plot_token_bars(["$x$"], [1], ylabel="$y$")
    draw(ax)
    assert not any(shown.get_parse_math() for shown in [*ax.get_xticklabels(), ax.yaxis.label])


@pytest.mark.parametrize(
    ("text", "label"),
    [
        (" a b", "·a·b"),
        ("a\n\t", "a⏎⇥"),
        ("\r\x00", "U+000DU+0000"),
        ("\u202eabc", "U+202Eabc"),
        ("\u00a0", "U+00A0"),
        ("x" * 16, "x" * 16),
        ("x" * 17, "x" * 16 + "…"),
        ("x" * 10_000, "x" * 16 + "…"),
    ],
)
def test_what_cannot_be_seen_gets_a_sign_and_long_text_an_end(text, label):
    assert seen(text) == label


def test_what_no_font_has_becomes_its_number(monkeypatch):
    monkeypatch.setattr(plots, "_MORE_FONTS", ())
    assert seen("汉a🦜") == "U+6C49aU+1F99C"


def test_a_font_that_is_installed_and_has_the_sign_is_used():
    from matplotlib import font_manager

    if not set(plots._MORE_FONTS) & set(font_manager.fontManager.get_font_names()):
        pytest.skip("no Chinese font is installed here")
    ax = plot_token_bars(["汉"], [1], ylabel="bits")
    draw(ax)
    assert labels_of(ax) == ["汉"]


def test_the_names_of_lines_keep_their_spaces():
    ax = plot_lines({"with a cache": [1, 2]}, xlabel="", ylabel="")
    assert ax.get_legend().get_texts()[0].get_text() == "with a cache"
