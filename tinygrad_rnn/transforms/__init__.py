"""Functions of functions, forward mode, and the check of derivatives against numbers."""
