"""The settings map: a grid temperature × top_p; each cell tells what some texts written with these settings are like.

`map_rows` says which texts to write, `settings_map_data` measures them, `settings_map_html` draws one measure.
The texts come from `generation.sample_batch`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

from ..errors import SettingsError
from ..generation import Sample
from ..language import later, tr, tr_later
from ..settings import GenerationSettings, check_count
from .filmstrip import running_text
from .markup import attribute, count, figure

TEMPERATURES = (0.0, 0.4, 0.8, 1.2, 1.6)
TOP_PS = (0.3, 0.6, 0.8, 0.95, 1.0)
STEPS = 20  # how many lengths a bar of the live map can have


@dataclass(frozen=True)
class Measure:
    """One number for the texts of a cell: its name, what it means in a sentence, and the colour of its cells."""

    name: str
    meaning: str
    colour: str  # red, green, blue
    pattern: str = "{:.2f}"


# Each measure is an attribute of MapCell.
MEASURES = {
    "distinct": Measure(
        later("distinct pairs"),
        later("Of all pairs of neighbouring tokens, the share that are different: 1 = no pair twice."),
        "0,114,178",
    ),
    "loop_rate": Measure(
        later("loops"),
        later("Of all runs of three tokens, the share that stood in the same text before: 0 = no loop."),
        "213,94,0",
    ),
    "entropy": Measure(
        later("entropy"),
        later("How open each choice was, on average, in bits: 0 = only one token was possible."),
        "0,158,115",
        "{:.1f}",
    ),
}


@dataclass(frozen=True)
class MapCell:
    """The texts of one pair of settings and their measures; None where there is nothing to measure.

    seeds: one for each sample.
    """

    temperature: float
    top_p: float
    seeds: tuple[int, ...]
    samples: tuple[Sample, ...]
    distinct: float | None
    loop_rate: float | None
    entropy: float | None


@dataclass(frozen=True)
class SettingsMap:
    """The cells, row by row: one row a temperature, one column a top_p. prompt: what the texts go on from."""

    rows: tuple[tuple[MapCell, ...], ...]
    prompt: str = ""

    def cell(self, temperature: float, top_p: float) -> MapCell:
        """The cell of two settings."""
        return next(c for row in self.rows for c in row if (c.temperature, c.top_p) == (temperature, top_p))


# --- data


def map_rows(
    settings: GenerationSettings, temperatures: Sequence[float], top_ps: Sequence[float], n_seeds: int
) -> list[GenerationSettings]:
    """The settings of all texts of a map. Each cell has the same seeds: settings.seed (None: 0) and the next ones.

    Raises SettingsError where a temperature or a top_p is not allowed, or there is none of them.
    """
    check_count("n_seeds", n_seeds, least=1)
    if not (temperatures and top_ps):
        raise SettingsError("A map needs at least one temperature and one top_p: give a list with numbers for each.")
    seeds = [(settings.seed or 0) + number for number in range(n_seeds)]
    return [
        settings.change(temperature=temperature, top_p=top_p, seed=seed)
        for temperature, top_p, seed in product(temperatures, top_ps, seeds)
    ]


def settings_map_data(
    rows: Sequence[GenerationSettings], samples: Sequence[Sample], *, prompt: str = ""
) -> SettingsMap:
    """Measure the texts of a map. rows: their settings, as from `map_rows`; samples: one text for each of these."""
    texts = {}
    for settings, sample in zip(rows, samples, strict=True):
        texts.setdefault((settings.temperature, settings.top_p), []).append((settings.seed, sample))
    temperatures, top_ps = (list(dict.fromkeys(values)) for values in zip(*texts, strict=True))
    return SettingsMap(tuple(tuple(_cell(t, p, texts[t, p]) for p in top_ps) for t in temperatures), prompt)


def _cell(temperature, top_p, texts):
    seeds, samples = zip(*texts, strict=True)
    token_ids = [sample.token_ids for sample in samples]
    entropies = [bits for sample in samples for bits in sample.entropies]
    return MapCell(
        temperature,
        top_p,
        seeds,
        samples,
        distinct(token_ids),
        loop_rate(token_ids),
        sum(entropies) / len(entropies) if entropies else None,
    )


def distinct(texts: Sequence[Sequence[int]], n: int = 2) -> float | None:
    """How many of all runs of n tokens are different, as a share; None where no text is that long.

    The texts 1 2 1 2 and 1 2 have the pairs 12 21 12 and 12: two different ones of four, 0.5.
    Source: Li et al. 2016, A Diversity-Promoting Objective Function (distinct-n).
    """
    runs = [run for text in texts for run in _runs(text, n)]
    return len(set(runs)) / len(runs) if runs else None


def loop_rate(texts: Sequence[Sequence[int]], n: int = 3) -> float | None:
    """How many runs of n tokens stood in the same text before, as a share; None where no text is that long.

    The text 1 2 1 2 1 has the triples 121 212 121: one of three was there before, 0.33. Other texts do not count.
    Source: after seq-rep-n of Welleck et al. 2020, Neural Text Generation with Unlikelihood Training.
    """
    runs = [list(_runs(text, n)) for text in texts]
    total = sum(map(len, runs))
    return sum(len(of_text) - len(set(of_text)) for of_text in runs) / total if total else None


def _runs(text, n) -> Iterator[tuple[int, ...]]:
    return zip(*(text[start:] for start in range(n)), strict=False)


# --- drawings


def settings_map_html(data: SettingsMap, *, measure: str = "distinct") -> str:
    """Draw one measure of the map as a table: a number, a tint and a bar in each cell. measure: a key of MEASURES."""
    top_ps = "".join(f'<th scope="col">{setting_text(cell.top_p)}</th>' for cell in data.rows[0])
    rows = "".join(_row(row, number, data, measure) for number, row in enumerate(data.rows))
    columns = '<col style="width:1.9em"><col style="width:2.6em">' + "<col>" * len(data.rows[0])
    head = f'<tr><th colspan="2" rowspan="2"></th><th colspan="{len(data.rows[0])}">top_p →</th></tr><tr>{top_ps}</tr>'
    return figure(
        f"{STYLE}{heading_html(measure)}"
        f'<table class="nc-map nc-map-as-{measure}"><colgroup>{columns}</colgroup>{head}{rows}</table>',
        label=tr("{measure} for each temperature and top_p", measure=tr_later(MEASURES[measure].name)),
    )


def heading_html(measure: str) -> str:
    """The name of a measure and what it means."""
    name, meaning = tr_later(MEASURES[measure].name), tr_later(MEASURES[measure].meaning)
    return f'<p class="nc-map-head"><b>{name}</b> · {meaning}</p>'


def _row(row, number, data, measure):
    axis = f'<th rowspan="{len(data.rows)}" class="nc-map-axis"><span>temperature →</span></th>' if number == 0 else ""
    cells = "".join(
        f'<td class="nc-map-cell" tabindex="0" aria-label="{attribute(spoken(cell, measure))}" '
        f'title="{attribute(spoken(cell, measure))}" style="--nc-share:{share(cell, data, measure):.3f}">'
        f"{number_text(cell, measure)}</td>"
        for cell in row
    )
    return f'<tr>{axis}<th scope="row">{setting_text(row[0].temperature)}</th>{cells}</tr>'


def setting_text(value: float) -> str:
    """A setting as it stands at the edge of the map: 0.3, 1.0."""
    return str(round(float(value), 4))


def number_text(cell: MapCell, measure: str) -> str:
    """The number of a cell as text; a dash where there is nothing to measure."""
    value = getattr(cell, measure)
    return "–" if value is None else MEASURES[measure].pattern.format(value)


def cell_classes(cell: MapCell, data: SettingsMap, measure: str, *, is_selected: bool = False) -> tuple[str, ...]:
    """The classes that give a cell of the live map its bar and its tint in the style sheet."""
    bar = f"nc-map-{round(share(cell, data, measure) * STEPS)}"
    return ("nc-map-cell", bar) + ("nc-map-on",) * is_selected


def share(cell: MapCell, data: SettingsMap, measure: str) -> float:
    """How long the bar of a cell is, 0 to 1. Shares as they are; bits compared with the largest of the map."""
    most = max(1.0, *(getattr(other, measure) or 0.0 for row in data.rows for other in row))
    return (getattr(cell, measure) or 0.0) / most


def spoken(cell: MapCell, measure: str) -> str:
    """A cell in words."""
    return f"{_settings(cell)}: {tr_later(MEASURES[measure].name)} {number_text(cell, measure)}"


def samples_html(cell: MapCell, *, prompt: str = "") -> str:
    """The texts of one cell, each with its seed and after the end of the prompt."""
    return figure(f"{STYLE}{_samples(cell, prompt)}", label=tr("The texts for {settings}", settings=_settings(cell)))


def standing_map_html(data: SettingsMap) -> str:
    """All measures of a map, and all its texts in lists that can be opened: for where no widget runs."""
    cells = [cell for row in data.rows for cell in row]
    lists = "".join(
        f"<details><summary>{_settings(cell)}</summary>{_samples(cell, data.prompt)}</details>" for cell in cells
    )
    texts = figure(f"<p><b>{tr('The texts')}</b></p>{lists}", label=tr("The texts of all cells"))
    return "".join(settings_map_html(data, measure=measure) for measure in MEASURES) + texts


def _samples(cell, prompt, tail=60):
    before = ("…" if len(prompt) > tail else "") + prompt[-tail:]
    texts = "".join(
        f'<dt><b>{tr("seed {n}", n=seed)}</b> <span class="nc-dim">{_length(sample)}</span></dt>'
        f'<dd><span class="nc-dim">{running_text(before)}</span>{running_text(sample.text)}</dd>'
        for seed, sample in zip(cell.seeds, cell.samples, strict=True)
    )
    numbers = " · ".join(f"{tr_later(measure.name)} {number_text(cell, name)}" for name, measure in MEASURES.items())
    head = f'<div class="nc-head"><b>{_settings(cell)}</b><span class="nc-dim">{numbers}</span></div>'
    return f'{head}<dl class="nc-map-texts">{texts}</dl>'


def _settings(cell):
    return f"temperature {setting_text(cell.temperature)}, top_p {setting_text(cell.top_p)}"


def _length(sample):
    tokens = count(len(sample.token_ids), "token")
    return tr("{tokens}, ended by itself", tokens=tokens) if sample.finish_reason == "stop" else tokens


# The cells of the live map are buttons with the same classes; nc-map-7 makes a bar of 7 twentieths.
STYLE = f"""<style>
.nc .nc-map{{border-collapse:separate;border-spacing:3px;width:100%;max-width:44em;table-layout:fixed;margin:0;
 font-size:15px;color:inherit}}
.nc .nc-map tr{{background:none;border:none}}
.nc .nc-map th{{font-weight:normal;text-align:center;padding:.1em;background:none;border:none;
 font-variant-numeric:tabular-nums}}
.nc .nc-map th[scope=row]{{text-align:right;padding-right:.4em}}
.nc-map .nc-map-label{{text-align:center;font-size:15px;font-variant-numeric:tabular-nums}}
.nc-map .nc-map-axis{{font-size:15px;writing-mode:vertical-rl;white-space:nowrap;text-align:center}}
.nc-map .nc-map-cell{{height:2.9em;width:auto;min-width:0;margin:0;padding:0 0 .3em;text-align:center;
 vertical-align:middle;line-height:1.2;font-size:15px;font-variant-numeric:tabular-nums;color:inherit;cursor:pointer;
 border:1px solid rgba(128,128,128,.55);border-radius:.3em;box-shadow:none;text-overflow:clip;
 background:linear-gradient(rgb(var(--nc-map)) 0 0) 0 100%/calc(100%*var(--nc-share,0)) .4em no-repeat,
 rgba(var(--nc-map),calc(.06 + .4*var(--nc-share,0)))}}
.nc-map .nc-map-cell:hover,.nc-map .nc-map-cell:focus{{outline:2px solid rgb(86,180,233);outline-offset:1px}}
.nc-map .nc-map-cell.nc-map-on{{outline:3px solid #E69F00;outline-offset:1px;font-weight:bold}}
.nc .nc-map-texts{{display:grid;grid-template-columns:11em 1fr;gap:0 1em;margin:0;max-height:32em;overflow-y:auto}}
.nc .nc-map-texts dt,.nc .nc-map-texts dd{{float:none;width:auto;margin:0;padding:.4em 0;font-weight:normal;
 border-top:1px solid rgba(128,128,128,.4)}}
.nc .nc-map-texts dd{{white-space:pre-wrap;overflow-wrap:anywhere;unicode-bidi:isolate}}
@container (max-width:640px){{.nc .nc-map-texts{{grid-template-columns:minmax(0,1fr)}}
 .nc .nc-map-texts dd{{border:none;padding-top:0}}}}
{"".join(f".nc-map-as-{name}{{--nc-map:{measure.colour}}}" for name, measure in MEASURES.items())}
{"".join(f".nc-map-{step}{{--nc-share:{step / STEPS:g}}}" for step in range(STEPS + 1))}
</style>"""
