"""BPTT written down from a tape, as equations; and those as code and as formulas.

`recording` runs a cell on a small problem, `recurrence` reads its tape as `equations` in the user's names. `code`
prints them as NumPy. `columns` and `readable` make of them what a book has, `formulas` puts them in order, `symbols`
prints them.
"""
