"""An SVG drawing as PNG.

The letters are those of a font that comes with a package of ours: a container may hold none.
"""

from __future__ import annotations

import re

from hayhooks.diagrams.layout import Layout
from hayhooks.diagrams.svg import write_svg

# What the font has: Latin, Greek, Cyrillic, Hebrew, punctuation.
_COVERED = re.compile("[\x00-\u05ff\u1e00-\u1fff\u2010-\u2044\ufffd]*")
_MOST_PIXELS = 8_000_000
_ZOOM = 2.0


def write_png(layout: Layout) -> bytes:
    """Return the drawing as a PNG in the light colours, at twice its size if that is at most 8 megapixels.

    Holds the interpreter's lock until it is done. Letters that the font lacks are taken from the
    system, and missing where that has none either.
    """
    # Only drawings need them.
    import fontpkg_open_sans
    import resvg_py

    svg = write_svg(layout, theme="light")
    fonts = sorted(str(path) for path in fontpkg_open_sans.ROOT.glob("files/OpenSans[[]*.ttf"))
    zoom = min(_ZOOM, (_MOST_PIXELS / (layout.width * layout.height)) ** 0.5)
    return bytes(
        resvg_py.svg_to_bytes(
            svg_string=svg,
            skip_system_fonts=_COVERED.fullmatch(svg) is not None,
            font_files=fonts,
            sans_serif_family="Open Sans",
            zoom=zoom,
        )
    )
