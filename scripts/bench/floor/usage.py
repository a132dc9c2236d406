"""Serve what bare Starlette can do.

Usage:
  floor run [--host=<host>] [--port=<port>]
  floor (-h | --help)
"""

from __future__ import annotations

from docopt import docopt

if __name__ == "__main__":
    docopt(__doc__ or "")
