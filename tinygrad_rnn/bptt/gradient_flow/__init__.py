"""The flow of a gradient back through time, and its terms."""
