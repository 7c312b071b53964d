"""What is drawn of a tape: which entries make a box, what stands in it, what comes back; nothing of where it goes."""
