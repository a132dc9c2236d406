"""Pages of lists, as OpenAI's API has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hayhooks.errors import InvalidParameter


def page(
    newest_first: Sequence[Mapping[str, Any]], query: Mapping[str, str], *, usual: int, most: int
) -> dict[str, Any]:
    """Return the page that `after`, `limit` and `order` ask for, with `usual` entries unless they say.

    Raises `InvalidParameter` for a `limit` beyond `most`, for an `after` that is not in the list, and the like.
    """
    limit = query.get("limit", str(usual))
    # As a float first: Python refuses to read integers of thousands of digits.
    if not limit.isdecimal() or not 1 <= float(limit) <= most:
        raise InvalidParameter("limit", f"'limit' must be a number from 1 to {most}")
    if query.get("order", "desc") not in ("asc", "desc"):
        raise InvalidParameter("order", "'order' must be 'asc' or 'desc'")
    ordered = newest_first[::-1] if query.get("order") == "asc" else newest_first
    ids = [entry["id"] for entry in ordered]
    if "after" in query and query["after"] not in ids:
        raise InvalidParameter("after", f"'after' must be the id of an entry; there is no {query['after']!r}")
    begin = ids.index(query["after"]) + 1 if "after" in query else 0
    data = ordered[begin : begin + int(limit)]
    return {
        "object": "list",
        "data": data,
        "first_id": data[0]["id"] if data else None,
        "last_id": data[-1]["id"] if data else None,
        "has_more": begin + len(data) < len(ordered),
    }
