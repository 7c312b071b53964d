"""The command `tinygrad-rnn`, and `python -m tinygrad_rnn`."""

import sys

from tinygrad_rnn import interrupted


def main() -> int:
    """Run the command line. An interrupt while its modules are imported ends it as a later one does."""
    try:
        from tinygrad_rnn.cli import main as run
    except KeyboardInterrupt:
        interrupted.end()
        return interrupted.STATUS
    return run()


if __name__ == "__main__":
    sys.exit(main())
