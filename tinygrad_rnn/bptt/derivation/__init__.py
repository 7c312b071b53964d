"""BPTT written down from a tape: the recurrence and its walk back as equations, and those as code and as symbols.

`record` runs a cell on a small problem, `recurrence` reads its tape as equations in the user's names. `code` prints them
as NumPy; `columns` turns them into the column vectors of a book, `latex` prints those.
"""
