"""The command `tinygrad-rnn`, and `python -m tinygrad_rnn`."""

import signal
import sys


def main() -> int:
    """Run the command line. An interrupt while its modules are imported ends it as quietly as a later one."""
    try:
        from tinygrad_rnn.cli import main as run
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    return run()


if __name__ == "__main__":
    sys.exit(main())
