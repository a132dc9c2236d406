"""From a graph to a drawing, in a process of its own.

Both libraries that make a picture are native code that holds the interpreter's lock: 500
components would stop the server for seconds, even from a thread. A process can be ended when
it takes too long, and a crash in there is an error here.
"""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
import threading
from collections import OrderedDict

from hayhooks.diagrams.dot import write_dot
from hayhooks.diagrams.graph import Graph
from hayhooks.diagrams.mermaid import write_mermaid
from hayhooks.errors import DiagramError, DiagramTooLarge

MOST_NODES = 1000
"""How many boxes a picture may have, those of inputs and outputs included; the text formats have no limit."""

_TIME_LIMIT = 30.0
_KEPT_BYTES = 16_000_000


class Drawings:
    """Makes drawings, and keeps the latest ones until they take 16 MB, for whoever asks again."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[Graph, str], bytes] = OrderedDict()

    def draw(self, graph: Graph, format: str) -> bytes:
        """Return the drawing in one of `FORMATS`; blocking. Raises `DiagramError`."""
        if format == "mermaid":
            return write_mermaid(graph).encode()
        if format == "dot":
            return write_dot(graph).encode()
        if format == "json":
            return json.dumps(graph.as_json()).encode()
        with self._lock:
            kept = self._kept.get((graph, format))
            if kept is not None:
                self._kept.move_to_end((graph, format))
                return kept
        drawn = draw_picture(graph, format)
        self._keep((graph, format), drawn)
        return drawn

    def _keep(self, key: tuple[Graph, str], drawn: bytes) -> None:
        with self._lock:
            self._kept[key] = drawn
            while sum(map(len, self._kept.values())) > _KEPT_BYTES:
                self._kept.popitem(last=False)


def draw_picture(graph: Graph, format: str) -> bytes:
    """Return an SVG or PNG file of a graph. Raises `DiagramError`, also after 30 seconds."""
    if len(graph.nodes) > MOST_NODES:
        raise DiagramTooLarge(
            f"Pipeline '{graph.name}' has {len(graph.nodes)} boxes and can be drawn with {MOST_NODES} at most; "
            "ask for format=mermaid, dot or json"
        )
    # The child finds what this process finds, however that came to be; `-P` adds no directory of its own.
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path or "." for path in sys.path)}
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-m", "hayhooks.diagrams.child"],
            input=pickle.dumps((graph, format)),
            capture_output=True,
            timeout=_TIME_LIMIT,
            env=environment,
        )
    except subprocess.TimeoutExpired:
        raise DiagramError(f"Pipeline '{graph.name}' could not be drawn within {_TIME_LIMIT:g} s") from None
    except OSError as exc:
        raise DiagramError(f"Pipeline '{graph.name}' could not be drawn: {exc.strerror}") from exc
    if done.returncode != 0:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        reason = lines[-1] if lines else f"the process ended with {done.returncode}"
        raise DiagramError(f"Pipeline '{graph.name}' could not be drawn: {reason}")
    return done.stdout
