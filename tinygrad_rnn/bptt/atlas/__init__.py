"""The atlas of cells: for each cell of `nn` its source, sizes, formulas, cost, and how a gradient fares in it.

`cell_facts` holds what no tape knows: names and sources. All else is read off tapes, and checked, when it is asked for:
`symbolic_sizes` and `step_cost` count, `starting` measures, `linearity` asks `nn.scan`, `entry_checks` compares with
numbers. `cell_entry` puts it together, `entry_page` writes it down, `comparison_table` compares.
"""
