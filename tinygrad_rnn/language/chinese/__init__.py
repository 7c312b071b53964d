"""The Chinese translations: a file for each room, a dict from English template to Chinese template.

A file `zh_ROOM.py` holds the sentences of one room, in the order of its files; `zh_common.py` those that several rooms
say. `catalogues` puts all of them together.
"""
