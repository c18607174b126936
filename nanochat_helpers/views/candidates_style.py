"""How the table of candidates and the ghost bars look, from a projector to a phone."""

# The arithmetic is the label of a cell, for a screen reader, and the line below the table, for the eye.
STYLE = """<style>
.nc-ct{position:relative;padding-bottom:3.4em;font-variant-numeric:tabular-nums}
.nc-cg{padding-bottom:0}
.nc .nc-ct table{table-layout:fixed;width:100%;max-width:50em;margin:0;border-collapse:collapse;border:0;font-size:1em;
 color:inherit}
.nc .nc-cb table,.nc .nc-cg table{max-width:none}
.nc .nc-ct tbody tr:nth-child(n){background:none}
.nc .nc-ct tr{padding:0}
.nc .nc-ct :is(td,th){padding:.12em .5em;border:0;border-top:1px solid rgba(128,128,128,.35);text-align:right;
 font-weight:normal;line-height:1.45;vertical-align:middle;background:none;max-width:none;min-width:0}
.nc .nc-ct thead th{border-top:0;font-weight:bold;vertical-align:bottom;line-height:1.25}
.nc .nc-ct :is(td,th):first-child{text-align:left;width:11.5em;overflow-wrap:anywhere;unicode-bidi:isolate}
.nc .nc-ct :is(tbody th,td:nth-child(6)){font-weight:bold}
.nc-cb table :is(td,th):nth-child(n+2){width:5.4em}
.nc .nc-ct table :is(td,th):nth-child(4){width:8.6em}
.nc .nc-ct table :is(td,th):nth-child(5){width:7.4em}
.nc .nc-cb table :is(td,th):nth-child(7){width:auto}
.nc-ct small{display:block;font-weight:normal;font-size:.82em;opacity:.8;white-space:nowrap}
.nc-ct u{text-decoration:none}
.nc .nc-cx :is(td,th){opacity:.7}
.nc .nc-ct .nc-cx :is(th,td:nth-child(6)){font-weight:normal}
.nc-ct td>div,.nc-ct th>div{display:flex;align-items:center;gap:.6em}
.nc-ct th>div{align-items:flex-end}
.nc-ct em{flex:none;width:7em;font-style:normal;font-weight:normal;white-space:nowrap}
.nc-ct b{flex:1;display:flex;justify-content:space-between;align-items:flex-end;font-weight:normal;text-align:center}
.nc-ct i{flex:1;height:1.2em;border:1px solid rgba(128,128,128,.5);background:
 linear-gradient(#0072B2 0 0) 0 50%/var(--p) 50% no-repeat,
 linear-gradient(to left,#56B4E9 2px,rgba(86,180,233,.32) 2px) 0 0/var(--o) no-repeat}
.nc-cx i{background:repeating-linear-gradient(135deg,rgba(128,128,128,.9) 0 2px,rgba(128,128,128,.25) 2px 6px)
 0 0/var(--o) no-repeat}
.nc .nc-ct :is(td,th)[aria-label]:is(:hover,:focus){background-color:rgba(230,159,0,.25);outline:2px solid #E69F00;
 outline-offset:-2px;opacity:1}
.nc-ct p,.nc-ct :is(td,th)::after{position:absolute;left:0;right:0;bottom:0;height:3em;padding:.2em .7em;
 border-left:.3em solid rgba(128,128,128,.5);font-size:.95em;line-height:1.35;text-align:left;pointer-events:none}
.nc-ct p{opacity:.8}
.nc-ct:has([aria-label]:is(:hover,:focus)) p{display:none}
.nc-ct :is(td,th)::after{display:none;content:attr(aria-label);border-color:#E69F00;font-weight:normal}
.nc-ct :is(td,th)[aria-label]:hover::after,
.nc-ct:not(:has(:is(td,th)[aria-label]:hover)) :is(td,th)[aria-label]:focus::after{display:block}
@container (max-width:1000px){
.nc .nc-cb :is(td,th):nth-child(6){display:none}
.nc .nc-cb table :is(td,th):nth-child(n){padding:.12em .35em}.nc .nc-cb :is(td,th):first-child{width:9.8em}
.nc .nc-cb table :is(td,th):is(:nth-child(2),:nth-child(3)){width:5em}}
@container (max-width:880px){
.nc-cb u{display:none}.nc .nc-cb table{font-size:.92em}
.nc .nc-cb table :is(td,th):nth-child(n){padding:.12em .25em}.nc .nc-cb table :is(td,th):first-child{width:7.6em}
.nc .nc-cb table :is(td,th):is(:nth-child(2),:nth-child(4)){width:4.1em}
.nc .nc-cb table :is(td,th):nth-child(3){width:4.5em}
.nc .nc-cb table :is(td,th):nth-child(5){width:5.6em}
.nc-cb small{white-space:normal}.nc-cb s{display:none}.nc-cb .nc-cx td:nth-child(4){text-decoration:line-through}
.nc-cb em{width:6.3em}.nc-cb th em{font-size:.9em;width:7em;white-space:normal;text-align:right}
.nc .nc-cb thead th{font-size:.92em}.nc .nc-cb b small{visibility:hidden;width:0;height:0}}
@container (max-width:700px){
.nc-ct{padding-bottom:5.4em}.nc-ct :is(p,:is(td,th)::after),.nc-ct p{height:5.4em;font-size:.88em}.nc-cg{padding:0}
.nc .nc-ct:not(.nc-cb) table{font-size:.94em}
.nc .nc-ct:not(.nc-cb) :is(td,th):nth-child(n){padding:.12em .3em}
.nc .nc-ct:not(.nc-cb) :is(td,th):first-child{width:30%}
.nc .nc-ct:not(.nc-cg,.nc-cb) :is(td,th):nth-child(3),.nc-ct :is(u,s){display:none}
.nc-cx td:nth-child(4){text-decoration:line-through}.nc-ct small{white-space:normal}
.nc .nc-ct:not(.nc-cb) table :is(td,th):is(:nth-child(4),:nth-child(5)){width:auto}}
@container (max-width:480px){
.nc .nc-cg.nc-ct thead th:nth-child(n){position:relative;padding-top:2.6em}
.nc-cg b small{position:absolute;right:0;top:0;text-align:right;white-space:nowrap}
.nc-ct{padding-bottom:6.6em}.nc-ct :is(p,:is(td,th)::after),.nc-ct p{height:6.4em}.nc-cg{padding:0}
.nc .nc-cb :is(td,th):nth-child(3){display:none}
.nc-cb tr{display:grid;grid-template-columns:30% 1fr 1fr 1.5fr;border-top:1px solid rgba(128,128,128,.35)}
.nc .nc-cb table :is(td,th):nth-child(n){width:auto;border:0}
.nc .nc-cb :is(td,th):nth-child(7){grid-column:1/-1}}
</style>"""
