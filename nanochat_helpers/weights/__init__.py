"""Where a model's files come from, before `models` loads them: the catalogue, the cache, the download, the conversion.

Read in this order: `catalogue` (what there is), `cache` (where it is kept), `find` (what a name means), `wheels` and
`hub` (how it gets here), `gguf_files` (how GGUF becomes what transformers loads), `store` (all of it together). No
lesson needs these modules by name.
"""
