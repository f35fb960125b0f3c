"""Static charts for docs/performance.md: SVG files that read on a light page and on a dark one."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from xml.sax.saxutils import escape

from benchmarks.harness.results import Row
from bertworks.pages import html

# Greys and mid tones only, on no background of their own.
STYLE = """<style>
svg { --line: #80808055; --c0: #3f86c9; --c1: #d0722a; --c2: #379b66; --c3: #9a60c0;
  --c4: #cc4f66; --c5: #4c9bab; }
text { fill: #7d8590; font: 12px system-ui, sans-serif; }
.grid { stroke: var(--line); } .curve { fill: none; stroke-width: 2; }
.met { fill: #379b66; } .short { fill: #d0722a; } .plain { fill: #3f86c9; }
.goal { stroke: #7d8590; stroke-width: 2; }
</style>"""
WIDTH, LABELS, NUMBERS = 760, 330, 110


def ratio_chart(rows: Sequence[Row]) -> str:
    """Horizontal bars, one a row: its ratio, coloured by whether it met its goal, a line at the goal.

    Args:
        rows: Rows with a ratio.
    """
    most = max(max(row.ratio or 0.0, row.goal or 0.0) for row in rows)
    scale = (WIDTH - LABELS - NUMBERS) / (most or 1.0)
    shapes = []
    for number, row in enumerate(rows):
        y, ratio = 26 * number + 4, row.ratio or 0.0
        kind = {None: "plain", True: "met", False: "short"}[row.met]
        shapes.append(
            f'<text x="{LABELS - 8}" y="{y + 14}" text-anchor="end">'
            f"{escape(html.cut(f'{row.what}: {row.peer}', 54))}</text>"
            f'<rect class="{kind}" x="{LABELS}" y="{y + 2}" height="16" rx="2" '
            f'width="{ratio * scale:.1f}"><title>{escape(f"{row.what}: {row.peer}")}</title></rect>'
            f'<text x="{LABELS + max(ratio, row.goal or 0.0) * scale + 8:.1f}" y="{y + 14}">'
            f"{ratio:.2f}x{'' if row.goal is None else f' of {row.goal:g}x'}</text>"
        )
        if row.goal is not None:
            x = LABELS + row.goal * scale
            shapes.append(f'<line class="goal" x1="{x:.1f}" x2="{x:.1f}" y1="{y}" y2="{y + 20}"/>')
    return _document("".join(shapes), WIDTH, 26 * len(rows) + 8)


def line_chart(
    curves: Mapping[str, Sequence[tuple[float, float]]], x_label: str, y_label: str
) -> str:
    """One curve a name, through its points in the order of x."""
    drawn = str(html.line_chart({k: sorted(v) for k, v in curves.items()}, x_label, y_label))
    width, height = re.search(r'viewBox="0 0 (\d+) (\d+)"', drawn).groups()  # type: ignore[union-attr]
    inner = drawn[drawn.index(">") + 1 : drawn.rindex("</svg>")]
    return _document(inner, int(width), int(height))


def _document(shapes: str, width: int, height: int) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}">\n{STYLE}\n{shapes}\n</svg>\n'
    )
