"""Learning forward in time: exactly, and by approximations that hold less than the whole influence matrix."""
