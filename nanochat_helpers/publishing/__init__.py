"""The lessons as slides and as a site: run once, kept, and turned into pages that need no network."""
