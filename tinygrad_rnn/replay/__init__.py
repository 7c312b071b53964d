"""Compiled replay: a tape rolled up by time, differentiated, improved by passes and run over memory of its own."""
