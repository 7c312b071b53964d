"""The places of the boxes and arrows of a picture, and what stands around them. Nothing here knows of tapes."""
