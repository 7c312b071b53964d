"""Characters of real text, as numbers."""
