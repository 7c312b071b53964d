"""Where the boxes and arrows of a picture go, and what stands around them; nothing of tapes."""
