"""How the doctor works: a cell's BPTT taken apart, the mistakes that can be made in it, and the search for one.

model: the walk back, changeable at any place, by rules, which are little programs; sentences: a rule in words; edits: a
rule changed; catalogue: the list of mistakes, with rule_mistakes (in one rule) and value_mistakes (values taken for
others); submission: a derivation as somebody wrote it; failures: its errors; conventions: what is custom, no mistake;
precision: what is the same to rounding; problems: on what it is tried; search: which mistake it is; symptoms: what is
wrong first; findings: what is said.
"""
