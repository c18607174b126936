"""Grade a whole class: processes that grade, what is known so far, and how far it is."""
