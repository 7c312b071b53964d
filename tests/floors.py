"""The rooms of the package, floor by floor."""

LAYERS = [
    {"core", "files", "interrupted", "language", "notebook", "plain_values", "text_tables"},
    {"operations"},
    {"tape"},
    {"transforms", "nn", "draw", "graph"},
    {"bptt", "compiler"},
    {"bench", "lm"},
    {"commands"},
    {"cli"},
    {"__main__"},
]
"""The rooms, the lowest layer first: a file imports from its own room and from the layers below it."""

FLOORS = {room: floor for floor, rooms in enumerate(LAYERS) for room in rooms}
