"""A class of students: what the teacher asks, each submission in a process of its own, marks, tables, a page.

Read in this order: task (what is asked), one_submission (the process that judges one), processes (many of them),
kept_results (what was found, kept in a folder), marks (points and counts), hints, marks_table, marks_page.
"""
