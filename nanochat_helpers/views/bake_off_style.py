"""The style sheet of the memory bake-off: one class for each part, all of them beginning with `nc-bo-`."""

STYLE = """<style>
.nc .nc-bo{border-collapse:collapse;width:100%;max-width:60em;margin:0;font-size:15px;color:inherit;
 table-layout:auto}
.nc .nc-bo tr{background:none;border:none}
.nc .nc-bo th,.nc .nc-bo td{text-align:left;padding:.45em .8em .45em 0;border:none;background:none;
 border-top:1px solid rgba(128,128,128,.4);vertical-align:middle;white-space:normal}
.nc .nc-bo tr:first-child>*{border-top:none}
.nc .nc-bo th{font-weight:normal}.nc .nc-bo th[scope=row]{font-weight:bold}
.nc-bo-yes,.nc-bo-no{display:inline-block;padding:.05em .55em;border-radius:.4em;white-space:nowrap}
.nc-bo-yes{background:rgba(0,158,115,.28);border:1px solid #009E73}
.nc-bo-no{border:1px dashed #D55E00}
.nc-bo-said{display:grid;grid-template-columns:minmax(3em,12em) auto;gap:.7em;align-items:center;white-space:nowrap}
.nc .nc-bo-more summary{cursor:pointer;padding:.25em 0}
.nc .nc-bo-texts{display:grid;grid-template-columns:8em minmax(0,1fr);margin:0 0 .5em}
.nc .nc-bo-texts dt,.nc .nc-bo-texts dd{float:none;width:auto;margin:0;padding:.2em 0;font-weight:normal;
 overflow-wrap:anywhere;unicode-bidi:isolate;white-space:pre-wrap}
.nc .nc-bo-rounds th[scope=col]{text-align:left}
.nc .nc-bo-rounds tr:not(.nc-bo-first)>*{border-top:none}
.nc .nc-bo-rounds tr:not(.nc-bo-first) th,.nc .nc-bo-rounds .nc-bo-first th+th{font-weight:normal;white-space:nowrap}
.nc .nc-bo-rounds tr:not(.nc-bo-first) td{padding-bottom:.75em}
.nc .nc-bo-rounds td.nc-bo-cell{font-variant-numeric:tabular-nums;white-space:nowrap;
 background:linear-gradient(#0072B2 0 0) 0 calc(100% - .3em)/calc((100% - .8em)*var(--nc-share)) .35em no-repeat}
@container (max-width:640px){
.nc .nc-bo:not(.nc-bo-rounds) tr>:nth-child(4){display:none}
.nc .nc-bo th,.nc .nc-bo td{padding-right:.5em}.nc-bo-said{grid-template-columns:1fr;gap:.1em}
.nc .nc-bo-texts{grid-template-columns:5.5em minmax(0,1fr)}
.nc .nc-bo-rounds{display:block;overflow-x:auto}.nc-bo-rounds b span{display:none}}
</style>"""
