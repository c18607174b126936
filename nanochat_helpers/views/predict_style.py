"""How a prediction looks: on a page, beside its controls, and large for a class. Only CSS."""

STYLE = """<style>
.nc .nc-guess{max-width:52em}
.nc .nc-guess-ask{font-size:1.15em;font-weight:600;margin:.1em 0 .3em}
.nc .nc-guess-asked{opacity:.85}
.nc .nc-guess-paper ul{list-style:none;margin:.2em 0;padding:0;display:flex;flex-wrap:wrap;gap:.2em 1.6em}
.nc .nc-guess-paper li{margin:0}
.nc .nc-guess-paper>div{margin:.35em 0}
.nc .nc-guess-line{display:inline-block;border-bottom:2px solid currentColor;width:6em;height:1.3em}
.nc .nc-guess-line.nc-guess-text{width:min(28em,90%)}
.nc .nc-guess-part{border-left:.35em solid #888;padding:.15em .8em .3em;margin:.4em 0}
.nc .nc-guess-right{border-color:#009E73}.nc .nc-guess-wrong{border-color:#D55E00;border-left-style:double}
.nc .nc-guess-close{border-color:#009E73;border-left-style:dashed}.nc .nc-guess-none{border-left-style:dotted}
.nc .nc-guess-open,.nc .nc-guess-class{border-color:#0072B2}
.nc .nc-guess-told{font-size:1.1em;margin-bottom:.35em}
.nc .nc-guess-rows{display:grid;grid-template-columns:fit-content(40%) auto;justify-content:start;gap:.25em .8em}
.nc .nc-guess-row{display:grid;grid-template-columns:subgrid;grid-column:1/-1;align-items:center;
 border:2px solid transparent;border-radius:.35em;padding:.1em .5em}
.nc .nc-guess-row.nc-guess-true{border-color:#009E73;background:rgba(0,158,115,.12);font-weight:600}
.nc .nc-guess-label{overflow-wrap:anywhere;white-space:pre-wrap;unicode-bidi:isolate}
.nc .nc-guess-marks{display:flex;flex-wrap:wrap;gap:.2em .5em}
.nc .nc-guess-marks i{font-style:normal;font-weight:400;font-size:.9em;white-space:nowrap;
 border:1px solid rgba(128,128,128,.8);border-radius:1em;padding:0 .6em}
.nc .nc-guess-class{font-size:1.25em}
.nc .nc-guess-class .nc-guess-part{font-size:1em}
.nc .nc-guess-class .nc-guess-told{font-size:1.25em;font-weight:600}
.nc .nc-guess-class .nc-guess-rows{grid-template-columns:fit-content(32%) minmax(4em,1fr) auto auto;
 justify-content:stretch}
.nc .nc-guess-bar{display:block;height:1.35em;border:1px solid rgba(128,128,128,.5);border-radius:.2em}
.nc .nc-guess-bar>span{display:block;height:100%;background:#56B4E9}
.nc .nc-guess-true .nc-guess-bar>span{background:repeating-linear-gradient(135deg,#009E73 0 9px,#b7e4d5 9px 14px)}
.nc .nc-guess-row>b{font-variant-numeric:tabular-nums;text-align:right}
.nc-predict .widget-toggle-button{width:auto!important;height:auto!important;min-height:36px;font-size:16px;
 line-height:1.3;padding:.3em 1em;white-space:normal;margin:2px 6px 2px 0;border:1px solid rgba(128,128,128,.8)}
.nc-predict .widget-toggle-button.mod-active{font-weight:700;outline:2px solid currentColor;outline-offset:-4px}
.nc-predict .widget-label,.nc-predict .widget-label-basic,.nc-predict .widget-text input,
.nc-predict .widget-checkbox{font-size:16px}
.nc-predict .nc-hands{display:none}
.nc-predict.nc-class-on .nc-hands,.nc-presenting .nc-predict .nc-hands{display:flex}
.nc-presenting .nc-predict .nc-switch{display:none}
.nc-presenting .nc-predict :is(.widget-toggle-button,.widget-label,.widget-html-content,input){font-size:20px}
.nc-presenting .nc-predict :is(.widget-text,.widget-checkbox){height:auto;line-height:1.6}
@container (max-width:480px){.nc .nc-guess-class{font-size:1em}}
@media print{.nc .nc-guess-bar>span,.nc .nc-guess-true{print-color-adjust:exact;-webkit-print-color-adjust:exact}}
</style>"""
