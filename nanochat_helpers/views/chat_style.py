"""The style sheet of the bubbles. Who speaks is told by the label, the side and the corner, not by the colour alone."""

STYLE = """<style>
.nc-chat{display:flex;flex-direction:column;gap:.55em;padding:.15em .1em;border-radius:.3em}
.nc-chat:focus-visible{outline:2px solid #0072B2;outline-offset:-1px}
.nc-chat-bubble{--tint:128,128,128;max-width:min(86%,46em);padding:.4em .75em;border:1px solid rgba(var(--tint),.9);
 background:rgba(var(--tint),.14);border-radius:.9em;overflow:hidden;overflow-wrap:anywhere}
.nc-chat-bubble>b{font-size:.9em}
.nc-chat-user{--tint:86,180,233;align-self:flex-end;border-bottom-right-radius:0}
.nc-chat-assistant{--tint:0,158,115;align-self:flex-start;border-left-width:.35em;border-bottom-left-radius:0}
.nc-chat-system{align-self:stretch;max-width:none;border-style:dashed;border-radius:.3em}
.nc-chat-blocked{--tint:213,94,0;align-self:stretch;max-width:none;border-style:double;border-width:4px;
 border-radius:.3em}
.nc-chat-leaving{border-style:dotted;border-width:2px}
.nc-chat-leaving .nc-chat-text{opacity:.65;text-decoration:line-through}
.nc-chat-text{white-space:pre-wrap;unicode-bidi:isolate}
.nc .nc-chat-text code,.nc .nc-chat-text pre{font-family:var(--jp-code-font-family,ui-monospace,Menlo,Consolas,
 "DejaVu Sans Mono",monospace);font-size:.92em;color:inherit;background:rgba(128,128,128,.18);border-radius:.25em;
 padding:0 .25em}
.nc .nc-chat-text pre{margin:.3em 0;padding:.35em .6em;white-space:pre-wrap}
.nc .nc-chat-text pre code{background:none;padding:0}
.nc-chat-state{font-size:.88em;font-style:italic;opacity:.85}
.nc .nc-chat-note{font-size:.88em;opacity:.85;margin:.35em 0 0}
.nc-chat-findings{font-size:.9em;margin:.35em 0 0;padding:.1em 0 .1em 1.4em;border-left:.25em solid #D55E00}
.nc-chat-sources{font-size:.9em;margin-top:.35em;border-top:1px dotted rgba(128,128,128,.8);padding-top:.25em}
.nc-chat-sources summary{cursor:pointer}
.nc-chat-passage{white-space:pre-wrap;padding:.2em .8em;border-left:.2em solid rgba(128,128,128,.6);margin:.2em 0}
.nc .nc-chat-more{text-align:center;font-size:.92em;opacity:.8}
.nc-chat-links{display:flex;flex-wrap:wrap;gap:.2em 1.2em;font-size:15px;align-items:center}
.nc-chat-links a{color:inherit;text-decoration:underline}
@container (max-width:640px){.nc-chat-user,.nc-chat-assistant{max-width:94%}}
</style>"""
