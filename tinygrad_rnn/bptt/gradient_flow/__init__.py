"""How a gradient flows back through time, and what it is made of."""
