"""How the diagram of a workflow looks. A mistake has a dashed line and a sign, not only a colour."""

STYLE = """<style>
.nc .nc-wf-steps{list-style:none;margin:0!important;padding:0!important;max-width:48em}
.nc .nc-wf-steps li{margin:0}
.nc-wf small{display:block;font-size:14px;opacity:.85}
.nc-wf-sign{color:inherit;border-bottom:3px dashed #D55E00}
.nc-wf-end{display:flex;flex-wrap:wrap;gap:0 .8em;align-items:baseline;padding:.3em .8em;width:fit-content;
 max-width:100%;border:1px solid rgba(128,128,128,.7);border-radius:1.2em;background:rgba(86,180,233,.2)}
.nc-wf-arrow{padding:.15em 0 .15em 2em;font-size:15px;opacity:.85}
.nc-wf-box{display:grid;grid-template-columns:minmax(0,19em) minmax(0,1fr);gap:.2em 1.4em;padding:.5em .8em;
 border:1px solid rgba(128,128,128,.7);border-left:.35em solid #0072B2;border-radius:.4em}
.nc .nc-wf-box dl{display:grid;grid-template-columns:auto minmax(0,1fr);gap:0 1em;margin:0;align-content:start}
.nc .nc-wf-box :is(dt,dd){float:none;width:auto;margin:0;padding:0;font-weight:normal;overflow-wrap:anywhere}
.nc .nc-wf-box dd{font-weight:bold}
.nc .nc-wf-box dd.nc-dim{font-weight:normal}
.nc-wf-box.nc-wf-wrong{border:2px dashed #D55E00;border-left:.35em solid #D55E00;background:rgba(213,94,0,.1)}
.nc-wf-box.nc-wf-missing{background:none}
.nc .nc-wf-fault{grid-column:1/-1;margin:.3em 0 0;overflow-wrap:anywhere}
.nc-wf-json{white-space:pre-wrap;overflow-wrap:anywhere;border:1px solid rgba(128,128,128,.5);border-radius:.4em;
 padding:.3em .6em;margin:.4em 0;unicode-bidi:isolate}
.nc-wf-here{background:rgba(213,94,0,.2);font-weight:bold}
@container (max-width:640px){.nc-wf-box{grid-template-columns:minmax(0,1fr)}}
</style>"""
