"""How the filmstrip and the comparison of two texts look: what shades and heights mean, the style sheet, and the key.

The chips of the live strip are buttons with the same classes: ".nc-film .nc-film-chip" is stronger than Jupyter's own
rules for buttons.
"""

from ..language import tr

SHADES = (0.01, 0.1, 0.3, 0.6, 0.9)  # the probabilities at which one shade of a chip ends and the next begins
TALLEST = 12  # bits; a chip does not grow beyond
_SHADE_NAMES = ("< 1 %", "1–10", "10–30", "30–60", "60–90", "> 90 %")
_ALPHAS = (0.03, 0.12, 0.24, 0.38, 0.54, 0.7)


def key_html() -> str:
    """What the shades and heights mean, to stand below a strip."""
    shades = "".join(f'<i class="nc-film-p{level}">{name}</i>' for level, name in enumerate(_SHADE_NAMES))
    heights = "".join(f'<i class="nc-film-h{bits}">{bits}</i>' for bits in (0, 4, 8))
    shade = tr("Shade: the model's own probability {shades}", shades=shades)
    height = tr("Height: entropy {heights} bits", heights=heights)
    return f'<div class="nc-film-key"><span>{shade}</span><span>{height}</span></div>'


STYLE = f"""<style>
.nc-film{{position:relative}}
.nc-film .nc-film-strip{{display:flex;flex-flow:row wrap;align-items:flex-end;gap:.35em .2em;padding:3px;
 overflow:visible}}
.nc-film .nc-film-chip,.nc-film-key i{{display:inline-flex;align-items:flex-end;justify-content:center;
 height:calc(1.75em + .22em*var(--nc-bits,0));background:rgba(0,114,178,var(--nc-shade,0));
 border:1px solid rgba(46,147,206,.9);border-radius:.3em;padding:.1em .32em;line-height:1.4;white-space:pre}}
.nc-film .nc-film-chip{{width:auto;min-width:1.3em;max-width:100%;margin:0;overflow:hidden;unicode-bidi:isolate;
 font-size:15px;font-family:var(--jp-code-font-family,ui-monospace,Menlo,Consolas,"DejaVu Sans Mono",monospace);
 color:inherit;box-shadow:none;cursor:pointer}}
.nc-film .nc-film-chip.nc-film-p0,.nc-film-key .nc-film-p0{{border-style:dotted;border-width:2px}}
.nc-film .nc-film-chip:hover,.nc-film .nc-film-chip:focus{{outline:2px solid rgb(86,180,233);outline-offset:1px}}
.nc-film .nc-film-chip.nc-film-diff{{border:2px dashed #D55E00;font-weight:bold}}
.nc-film .nc-film-chip.nc-film-on{{outline:3px solid #E69F00;outline-offset:1px;font-weight:bold}}
.nc-film-line,.nc-film-detail{{font-size:15px;line-height:1.6;min-height:1.6em;font-weight:normal;text-align:left;
 white-space:normal;overflow-wrap:anywhere}}
.nc-film .nc-film-detail{{display:none;position:absolute;left:0;right:0;bottom:0;
 font-family:var(--jp-ui-font-family,sans-serif)}}
.nc-film-strip:not(:hover) .nc-film-chip:focus .nc-film-detail,.nc-film .nc-film-chip:hover .nc-film-detail{{
 display:block}}
.nc-film:has(span.nc-film-chip:hover,span.nc-film-chip:focus) .nc-film-line{{visibility:hidden}}
.nc-film-key{{display:flex;flex-wrap:wrap;gap:.3em 1.6em;font-size:14px;margin-top:.3em;align-items:flex-end}}
.nc-film-key span{{display:flex;flex-wrap:wrap;align-items:flex-end;gap:.25em}}
.nc-film-key i{{font-style:normal;font-variant-numeric:tabular-nums}}
.nc-film-two{{display:grid;grid-template-columns:1fr 1fr;gap:.8em 1.6em;margin-top:.5em}}
.nc-film-text{{border-left:.25em solid rgba(128,128,128,.5);padding-left:.7em;min-width:0;overflow-wrap:anywhere}}
.nc-film-title{{margin-bottom:.3em;font-size:.9em}}
.nc-film-title code{{background:none;color:inherit;padding:0}}
.nc-film-body{{white-space:pre-wrap;unicode-bidi:isolate;margin-bottom:.3em;max-height:24em;
 overflow-y:auto}}
.nc-film-same{{opacity:.62}}
.nc .nc-film-first{{background:rgba(213,94,0,.16);color:inherit;border:2px solid #D55E00;border-radius:.3em;
 padding:0 .15em;display:inline-block;max-width:100%;line-height:1.2}}
.nc-film-first small{{font-size:.72em;font-weight:bold;padding-right:.3em}}
@container (max-width:640px){{.nc-film-two{{grid-template-columns:1fr}}
.nc-film-line,.nc-film-detail{{min-height:3.2em}}}}
{"".join(f".nc-film-p{level}{{--nc-shade:{alpha}}}" for level, alpha in enumerate(_ALPHAS))}
{"".join(f".nc-film-h{bits}{{--nc-bits:{bits}}}" for bits in range(TALLEST + 1))}
</style>"""
