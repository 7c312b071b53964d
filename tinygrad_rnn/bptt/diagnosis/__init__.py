"""How the doctor works: a cell's BPTT taken apart, the mistakes that can be made in it, and the search for one.

anatomy: the walk back, changeable at any place, by rules, which are little programs; formula: a rule in words; edits: a
rule changed; mistakes: the list of them, with slips (in one rule) and values (taken for others); student: a derivation
as somebody wrote it; symptoms: what is wrong first; problems: on what it is tried; search: which mistake it is.
"""
