"""`python -m tinygrad_rnn` is the command `tinygrad-rnn`."""

import sys

from tinygrad_rnn.cli import main

sys.exit(main())
