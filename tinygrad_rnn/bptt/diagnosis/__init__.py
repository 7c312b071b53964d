"""The doctor: a model of a cell's BPTT, the mistakes that can be made in it, and the search for the one that was made.

The cell: model (one step, and changes to it), changed_walk (the walk back with them), rules (derivative rules as small
programs), sentences (a rule in words), edits (a rule changed). The mistakes: mistake (what one is), catalogue (the
list), rule_mistakes, slope_mistakes, gate_mistakes, value_mistakes, other_cells. The derivation: submission, failures
(its errors), conventions (what is no mistake), precision. The search: problems, examination (the answers), search,
symptoms (the first wrong quantity), explanation, findings (the words), doctor.
"""
