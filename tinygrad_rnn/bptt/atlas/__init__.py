"""The atlas of cells: for each cell of `nn` its source, sizes, formulas, cost, and how a gradient fares in it.

`papers`, `cell_facts` and `cell_differences` hold what no tape knows: names, sources, and what differs from them;
`published` names code of others that agrees. All else is read off tapes, and checked, when it is asked for:
`symbolic_sizes` and `step_cost` count, `starting` measures, `memory_factor` says what a memory keeps, `linearity` asks
`nn.scan`. `entry_checks` and `differences` compare with numbers alone. `cell_entry` puts it together, `entry_page`
writes it down, `text_page` for a terminal; `comparison_table` compares.
"""
