"""The folder `pieces` holds code as people write it: the tests load it, and change it."""

collect_ignore = ["pieces"]
