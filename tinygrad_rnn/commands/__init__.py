"""The commands of the command line, a file each: `add` adds its arguments, `run` runs it."""
