"""The line of the log for each request."""

from __future__ import annotations

from hayhooks.http.exchange import Exchange
from hayhooks.logger import log


def log_access(exchange: Exchange) -> None:
    """Write the line of a request that has ended: no body, no header, no query."""
    request, scope = exchange.request, exchange.scope
    bound = {name: value for name in ("pipeline", "revision", "key") if (value := getattr(request, name)) is not None}
    line = f"{scope['method']} {_printable(scope['path'])} {exchange.status} {exchange.total * 1000:.1f} ms"
    if exchange.first_byte:
        line += f", first byte {exchange.until_first_byte * 1000:.1f} ms"
    # Only JSON needs the parts one by one.
    fields = {
        "method": scope["method"],
        "path": scope["path"],
        "status": exchange.status,
        "ms": round(exchange.total * 1000, 1),
        "first_byte_ms": round(exchange.until_first_byte * 1000, 1) if exchange.first_byte else None,
    }
    log.bind(**bound, _fields=fields).info(line)


def _printable(path: str) -> str:
    return path if path.isprintable() and " " not in path else repr(path)
