"""The content of a drawing: the entries of each box, its text, its gradients. Nothing here knows of places."""
