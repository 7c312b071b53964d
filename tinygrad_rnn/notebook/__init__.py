"""What a notebook shows: HTML that fits its cell in light and dark, and a display that is brought up to date."""
