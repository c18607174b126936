"""The style sheet of the template clinic: a table that becomes cards where there is little room."""

STYLE = """<style>
.nc .nc-clinic{border-collapse:collapse;width:100%;margin:0;font-size:15px;color:inherit;table-layout:fixed}
.nc .nc-clinic tr{background:none;border:none}
.nc .nc-clinic th,.nc .nc-clinic td{text-align:left;font-weight:normal;padding:.4em .9em .4em 0;background:none;
 border:none;border-top:1px solid rgba(128,128,128,.4);vertical-align:middle;font-variant-numeric:tabular-nums;
 white-space:normal}
.nc .nc-clinic thead th{border:none;font-weight:bold}
.nc .nc-clinic th:first-child{width:34%}
.nc .nc-clinic th[scope=row] *{display:block}
.nc .nc-clinic tr td{width:22%}
.nc .nc-clinic td small{display:none;font-size:14px}
.nc-clinic-bar{display:inline-block;width:calc(100% - 5.2em);min-width:2.5em;height:.85em;margin-right:.6em;
 border:1px solid rgba(128,128,128,.6);border-radius:.2em;vertical-align:-.06em}
.nc-clinic-bar i{display:block;height:100%;background:#0072B2}
.nc-clinic-silent i{background:repeating-linear-gradient(90deg,#E69F00 0 3px,rgba(230,159,0,.35) 3px 7px)}
.nc-clinic-self_talk i{background:repeating-linear-gradient(135deg,#D55E00 0 6px,rgba(213,94,0,.35) 6px 9px)}
.nc .nc-clinic-key{margin-top:.6em;font-size:15px}
.nc .nc-clinic-text{white-space:pre-wrap;overflow-wrap:anywhere;unicode-bidi:isolate}
.nc .nc-clinic-prompt{border-left:.3em solid #56B4E9;padding:.2em .7em;margin:.4em 0}
.nc-clinic-token{border:1px dashed #D55E00;border-radius:.3em;padding:0 .2em;font-size:.93em}
.nc-clinic-aside{background:rgba(213,94,0,.18);text-decoration:underline wavy rgba(213,94,0,.8) 1px;
 text-underline-offset:.25em}
.nc .nc-clinic-replies{display:grid;grid-template-columns:11em minmax(0,1fr);gap:0 1em;margin:0;max-height:32em;
 overflow-y:auto}
.nc .nc-clinic-replies dt,.nc .nc-clinic-replies dd{float:none;width:auto;margin:0;padding:.4em 0;font-weight:normal;
 border-top:1px solid rgba(128,128,128,.4)}
.nc .nc-clinic-replies dt span{display:block;font-size:15px}
@container (max-width:640px){.nc .nc-clinic thead{display:none}.nc .nc-clinic,.nc .nc-clinic tbody{display:block}
 .nc .nc-clinic tr{display:grid;grid-template-columns:repeat(3,minmax(0,1fr));border-top:1px solid rgba(128,128,128,.4)}
 .nc .nc-clinic th:first-child{grid-column:1/-1;width:auto;padding-bottom:0;border:none}
 .nc .nc-clinic tr td{width:auto;border:none}.nc .nc-clinic td small{display:block}
 .nc-clinic-bar{display:block;width:100%;margin:.1em 0}
 .nc .nc-clinic-replies{grid-template-columns:minmax(0,1fr)}.nc .nc-clinic-replies dd{border:none;padding-top:0}}
</style>"""
