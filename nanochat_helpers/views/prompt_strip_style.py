"""The style sheet of the prompt strip: one class for each part, all of them beginning with `nc-ps-`."""

# The pattern is at the bottom of each piece, so that the number above it can be read.
_PATTERNS = {
    "system": ("0,114,178", "repeating-linear-gradient(135deg,rgb({c}) 0 3px,transparent 3px 7px)"),
    "notes": ("204,121,167", "radial-gradient(rgb({c}) 2px,transparent 2.5px) 0 0/7px 7px"),
    "user": ("230,159,0", "linear-gradient(rgb({c}) 0 0)"),
    "passages": ("213,94,0", "conic-gradient(rgb({c}) 25%,transparent 0 50%,rgb({c}) 0 75%,transparent 0) 0 0/8px 8px"),
    "assistant": ("0,158,115", "repeating-linear-gradient(0deg,rgb({c}) 0 2px,transparent 2px 5px)"),
    "template": ("128,128,128", "repeating-linear-gradient(90deg,rgb({c}) 0 2px,transparent 2px 4px)"),
    "reply": ("86,180,233", "repeating-linear-gradient(45deg,rgb({c}) 0 2px,transparent 2px 9px)"),
    "free": ("128,128,128", "linear-gradient(transparent 0 0)"),
}
_TINT = {"free": 0.0, "template": 0.3}


def _rule(kind):
    colour, pattern = _PATTERNS[kind]
    # A pattern of repeated tiles gives its size itself; it fills an element of its own, the bottom of the piece.
    return (
        f".nc-ps-{kind}{{background:rgba({colour},{_TINT.get(kind, 0.2)})}}"
        f".nc-ps-{kind}::after{{background:{pattern.replace('{c}', colour)}}}"
    )


STYLE = f"""<style>
.nc-ps-bar{{display:flex;height:3.4em;border:1px solid rgba(128,128,128,.9);border-radius:.3em;overflow:hidden}}
.nc-ps-bar i,.nc-ps-key{{position:relative;font-style:normal;overflow:hidden}}
.nc-ps-bar i{{flex:0 1 0;min-width:0;white-space:nowrap;font-size:14px;line-height:2em;text-align:center;
 font-variant-numeric:tabular-nums}}
.nc-ps-bar i::after,.nc-ps-key::after{{content:"";position:absolute;left:0;right:0;bottom:0;height:45%}}
.nc-ps-key{{display:inline-block;width:1.7em;height:1.1em;margin-right:.45em;vertical-align:-.2em;flex:none;
 border:1px solid rgba(128,128,128,.7);border-radius:.2em}}
.nc-ps-key::after{{height:100%}}
{"".join(_rule(kind) for kind in _PATTERNS)}
.nc-ps-bar .nc-ps-cut::after{{height:100%;background:linear-gradient(105deg,transparent 48%,rgb(128,128,128) 48% 48.6%,
 transparent 48.6% 51.4%,rgb(128,128,128) 51.4% 52%,transparent 52%) 0 100%/100% 42% no-repeat}}
.nc-ps-ends{{display:flex;justify-content:space-between;font-size:14px;opacity:.78;font-variant-numeric:tabular-nums}}
.nc ul.nc-ps-legend,.nc .nc-ps-out ul,.nc ul.nc-ps-said{{list-style:none;margin:.3em 0;padding:0}}
.nc ul.nc-ps-legend{{display:flex;flex-wrap:wrap;gap:.2em 1.3em}}
.nc .nc-ps-legend li,.nc .nc-ps-out li,.nc .nc-ps-said li{{margin:0;padding:0}}
.nc-ps-out{{border:2px dashed #D55E00;border-radius:.3em;padding:.3em .7em;margin-bottom:.5em;font-size:.95em}}
.nc .nc-ps-out ul{{display:flex;flex-wrap:wrap;gap:0 1.4em;margin:0}}
.nc-ps-length{{white-space:nowrap}}
.nc-ps-out li{{overflow-wrap:anywhere;unicode-bidi:isolate}}
.nc ul.nc-ps-said{{display:grid;grid-template-columns:auto auto minmax(0,1fr);gap:.15em .9em;margin-top:.6em;
 font-size:.95em}}
.nc .nc-ps-said .nc-ps-wide{{grid-column:1/-1}}
.nc-ps-said b{{display:block;text-align:right;font-variant-numeric:tabular-nums}}
.nc-ps-said li{{overflow-wrap:anywhere;unicode-bidi:isolate}}
@container (max-width:640px){{.nc-ps-bar i span{{display:none}}}}
</style>"""
