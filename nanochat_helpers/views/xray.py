"""The pipeline X-ray: one reply, station by station, from the messages to what the reader gets, with the time it took.

`xray_data` takes a trace apart, `xray_html` draws one station, `whole_xray_html` all of them below one another.
"""

from ..errors import SettingsError
from ..language import tr
from .markup import attribute, count, figure
from .xray_data import STATIONS, TOKEN_STATIONS, XRay, xray_data
from .xray_stations import (
    edits_station,
    fits_station,
    ids_station,
    messages_station,
    prompt_station,
    reply_station,
    steps_html,
)
from .xray_style import STYLE
from .xray_tokens import draw_station, logits_station, raw_text_station

__all__ = ["STATIONS", "TOKEN_STATIONS", "XRay", "whole_xray_html", "xray_data", "xray_html"]

_ALIKE = {0: messages_station, 1: fits_station, 2: prompt_station, 3: ids_station, 7: edits_station, 8: reply_station}
_BY_TOKEN = {4: logits_station, 5: draw_station, 6: raw_text_station}


def xray_html(data: XRay, place: int = 0, *, token: int = 0) -> str:
    """Draw one station, and where on the way it stands.

    place: of the station in STATIONS, from 0. token: of which token of the reply the logits and the draw are shown,
    from 0. Raises SettingsError for a place or a token that the reply does not have.
    """
    _check("place", place, len(data.stations))
    _check("token", token, max(1, len(data.choices)))
    station = data.stations[place]
    where = tr("Station {n} of {total}: {name}", n=place + 1, total=len(data.stations), name=station.name)
    label = f"{where}. {station.says}"
    return figure(f'{STYLE}<div class="nc-xr">{_rail(data, place)}{_station(data, place, token)}</div>', label=label)


def whole_xray_html(data: XRay, *, token: int = 0) -> str:
    """All stations below one another: for where no widget runs, such as a page that shows saved notebooks."""
    stations = "<hr>".join(_station(data, place, token) for place in range(len(data.stations)))
    n_stations = count(len(data.stations), "station")
    label = tr("One reply in {stations}, from the messages to the reply", stations=n_stations)
    return figure(f'{STYLE}<div class="nc-xr">{stations}</div>', label=label)


def _check(name, value, n):
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < n:
        raise SettingsError(f"{name}={value!r} is not allowed: it must be a whole number from 0 to {n - 1}.")


def _rail(data, place):
    """All stations in a row: those behind us, the one where we are, and those to come."""
    stops = "".join(_stop(data, number, place) for number in range(len(data.stations)))
    return f'<ol class="nc-xr-rail" aria-label="{tr("stations")}">{stops}</ol>'


def _stop(data, number, place):
    name = data.stations[number].name
    here = ' aria-current="step"' if number == place else ' class="nc-xr-past"' if number < place else ""
    return f'<li{here} title="{attribute(name)}">{number + 1}<span>{name}</span></li>'


def _station(data, place, token):
    station = data.stations[place]
    title = f'<b class="nc-xr-title">{place + 1} · {station.name}</b>'
    head = f'<div class="nc-head">{title}<span>{station.says}</span></div>'
    steps = "" if place == len(data.stations) - 1 else steps_html(station.steps)  # the last one shows all steps
    return head + steps + _shown(data, place, token)


def _shown(data, place, token):
    """The station itself, or why there is nothing to see."""
    if 1 <= place <= 7 and not data.was_asked:
        return f'<p class="nc-note">{tr("Not reached: the reply was ready before the model was asked.")}</p>'
    if place in _ALIKE:
        return _ALIKE[place](data)
    if not data.choices:
        return f'<p class="nc-note">{tr("The model wrote no token.")}</p>'
    return _BY_TOKEN[place](data, token)
