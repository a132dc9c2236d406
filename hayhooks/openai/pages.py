"""Pages of lists, as OpenAI's API has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hayhooks.openai.endpoint import UnsupportedParameter


def page(
    newest_first: Sequence[Mapping[str, Any]], query: Mapping[str, str], *, usual: int, most: int
) -> dict[str, Any]:
    """Return the page that `after`, `limit` and `order` ask for, with `usual` entries unless they say.

    Raises `UnsupportedParameter` for a `limit` beyond `most`, or one that is no number.
    """
    limit = query.get("limit", str(usual))
    if not limit.isdecimal() or not 1 <= int(limit) <= most:
        raise UnsupportedParameter("limit", f"'limit' must be a number from 1 to {most}")
    ordered = newest_first[::-1] if query.get("order") == "asc" else newest_first
    ids = [entry["id"] for entry in ordered]
    begin = ids.index(query["after"]) + 1 if query.get("after") in ids else 0
    data = ordered[begin : begin + int(limit)]
    return {
        "object": "list",
        "data": data,
        "first_id": data[0]["id"] if data else None,
        "last_id": data[-1]["id"] if data else None,
        "has_more": begin + len(data) < len(ordered),
    }
