"""How the doctor works: a cell's BPTT taken apart, the mistakes that can be made in it, and the search for one.

anatomy: the walk back, changeable at any place; formula: a rule in words; slips and mistakes: what can be wrong;
student: a derivation as somebody wrote it; symptoms: what is wrong first; problems: on what it is tried; search.
"""
