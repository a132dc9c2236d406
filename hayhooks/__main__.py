"""`python -m hayhooks` is the `hayhooks` command."""

import sys

from hayhooks.cli.main import main

sys.exit(main())
