"""BPTT of a cell as equations that are read off its tape, printed as code and as formulas.

`trace` runs a cell on a small problem. `recurrence` reads its tape as `equations` in the author's names. `code` prints
them as NumPy. `column_vectors` and `readable` put them into the form of a book, `formulas` orders them, and `symbols`
prints them.
"""
