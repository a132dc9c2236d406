"""Command lines against their usage texts: docopt reads them, this module says what is wrong with one."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from docopt import Argument, DocoptExit, Option, Tokens, docopt, parse_argv, parse_options

Options = dict[str, Any]
"""What docopt found: option and argument names as in the usage text, with None or False for what is not given."""


class UsageError(Exception):
    """A command line that cannot be understood; `usage` is the text to show below the message."""

    def __init__(self, message: str, *, usage: str = "") -> None:
        super().__init__(message)
        self.usage = usage


def parse(doc: str, argv: list[str], *, options_first: bool = False) -> Options:
    """Read a command line. `--help` prints the text and leaves by `SystemExit`."""
    try:
        return dict(docopt(doc, argv, options_first=options_first))
    except DocoptExit as exc:
        usage = f"Usage:{doc.partition('Usage:')[2].partition(chr(10) * 2)[0]}"
        said = str(exc.code).partition("\n")[0] + "."
        # Without a message about one option, docopt only says that nothing fits.
        if not said.endswith("argument."):
            said = _explain(doc, usage, argv, options_first)
        raise UsageError(said, usage=usage) from None


def _explain(doc: str, usage: str, argv: list[str], options_first: bool) -> str:
    known = parse_options(doc.partition(usage)[2])
    options = [*known]
    given = parse_argv(Tokens(argv), options, options_first)
    # docopt adds the options that it does not know to its list.
    for unknown in options[len(known) :]:
        name = str(unknown.name)
        return f"Unknown option {name!r}.{suggestion(name, [option.longer or '' for option in known])}"
    names = [str(option.name) for option in given if isinstance(option, Option)]
    for name in names:
        if names.count(name) > 1 and not re.search(rf"\[{name}\b[^\]]*\]\.\.\.", usage):
            return f"{name} is given more than once."
    return _explain_arguments(usage, [str(item.value) for item in given if isinstance(item, Argument)])


def _explain_arguments(usage: str, given: list[str]) -> str:
    command = re.findall(r"hayhooks((?: [a-z-]+)*)", usage)[0].split()
    expected = re.findall(r"\s(\[?)<(\w+)>", usage)
    rest = given[len(command) :]
    if len(rest) > len(expected):
        return f"Unexpected argument {rest[len(expected)]!r}."
    for bracket, name in expected[len(rest) :]:
        if not bracket:
            return f"Missing <{name}>."
    return "These options do not go together."


def suggestion(word: str, known: Iterable[str]) -> str:
    """Ask whether a misspelt word is meant as the known one that is closest, if one is close."""
    # Needed only here, and the help texts shall be fast.
    from difflib import get_close_matches

    return "".join(f" Did you mean {close!r}?" for close in get_close_matches(word, known, n=1, cutoff=0.55))
