"""Small building blocks for self-contained HTML pages: tables, charts as inline SVG, badges.

No scripts, no external files: a page shows the same in a browser, in the Kubeflow UI and without a
network. Everything that is not already `Markup` is escaped.
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import jinja2
from markupsafe import Markup

from bertworks.pages import axes
from bertworks.shortened import shortened

# Characters that a browser hides or that turn the reading direction of what follows.
_INVISIBLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff\ufffe\uffff]"
)

_STYLE = """
:root { color-scheme: light dark; --ink: #1c2128; --soft: #5b6470; --line: #dde1e6; --back: #fff;
  --panel: #f5f7f9; --good: #1a7f4b; --warn: #a15c00; --bad: #c22f2f; --plain: #5b6470;
  --c0: #2f6fb2; --c1: #c8641b; --c2: #2c8c5a; --c3: #8a4fb0; --c4: #b8394f; --c5: #4c8d9b;
  --heat: 47, 111, 178; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e7eb; --soft: #9aa4b0; --line: #353c45;
  --back: #15181c; --panel: #1e2329; --good: #4cc38a; --warn: #e3a13c; --bad: #f07070;
  --plain: #9aa4b0; --c0: #6ea8e6; --c1: #ec9a5c; --c2: #62c392; --c3: #bb8be0; --c4: #ec7a8c;
  --c5: #82bfcb; --heat: 110, 168, 230; } }
body { font: 15px/1.5 system-ui, -apple-system, "Segoe UI", sans-serif; color: var(--ink);
  background: var(--back); max-width: 66rem; margin: 0 auto; padding: 1.5rem 1.25rem 4rem; }
h1 { font-size: 1.6rem; margin: 0 0 .25rem; overflow-wrap: anywhere; }
h2 { font-size: 1.2rem; margin: 2.2rem 0 .6rem; }
h3 { font-size: 1rem; margin: 1.4rem 0 .4rem; }
p { margin: .4rem 0; overflow-wrap: break-word; } .soft { color: var(--soft); }
.scroll { overflow-x: auto; } .row { display: flex; flex-wrap: wrap; gap: 1rem 2rem; }
table { border-collapse: collapse; font-size: .9rem; margin: .4rem 0; }
th { text-align: left; color: var(--soft); font-weight: 600; white-space: nowrap; }
th, td { padding: .3rem .9rem .3rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
td.text { min-width: 13rem; overflow-wrap: anywhere; }
th.number, td.number { text-align: right; font-variant-numeric: tabular-nums;
  white-space: nowrap; overflow-wrap: normal; }
table.heat td { padding: .3rem .7rem; text-align: right; border: 1px solid var(--line);
  font-variant-numeric: tabular-nums; }
table.heat th { padding: .3rem .7rem .3rem 0; }
code { font: .85em ui-monospace, monospace; } pre { overflow-x: auto; }
mark { background: none; color: inherit; border-radius: 4px; padding: .05em .3em;
  border: 1px solid var(--mark); box-decoration-break: clone; -webkit-box-decoration-break: clone; }
mark small { color: var(--mark); font-weight: 650; margin-left: .35em; }
.badge { display: inline-block; padding: 0 .55em; border-radius: 1em; font-size: .8rem;
  font-weight: 600; white-space: nowrap; border: 1px solid currentColor; }
.good { color: var(--good); } .warn { color: var(--warn); } .bad { color: var(--bad); }
.plain { color: var(--plain); }
details { margin: .5rem 0; background: var(--panel); border-radius: 6px; padding: .5rem .9rem; }
summary { cursor: pointer; }
svg { max-width: 100%; height: auto; display: block; }
svg text { fill: var(--soft); font: 12px system-ui, sans-serif; }
svg .grid { stroke: var(--line); } svg .curve { fill: none; stroke-width: 2; }
"""

_TEMPLATES = {
    "page": """<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ title }}</title><style>{{ style }}</style></head>
<body><h1>{{ title }}</h1>
{{ body }}
</body></html>
""",
    "table": """<div class="scroll"><table><thead><tr>
{%- for header in headers %}<th{% if loop.index0 in numeric %} class="number"{% endif %}>
{{- header }}</th>{% endfor %}</tr></thead><tbody>
{% for row in rows %}<tr>
{%- for cell in row %}<td{% if loop.index0 in numeric %} class="number"
{%- elif cell | length_shown > 28 %} class="text"{% endif %} dir="auto">
{{- cell }}</td>{% endfor %}</tr>
{% endfor %}</tbody></table></div>""",
    "bars": """<svg role="img" viewBox="0 0 400 {{ height }}" width="400" height="{{ height }}">
{% for bar in bars -%}
<text x="142" y="{{ bar.y + 14 }}" text-anchor="end">{{ bar.label }}</text>
<rect x="150" y="{{ bar.y + 2 }}" width="{{ bar.width }}" height="16" rx="2" fill="var(--c0)">
<title>{{ bar.full }}: {{ bar.value }}</title></rect>
<text x="{{ 155 + bar.width }}" y="{{ bar.y + 14 }}">{{ bar.value }}</text>
{% endfor %}</svg>""",
    "histogram": """<svg role="img" viewBox="0 0 {{ width }} 154" width="{{ width }}" height="154">
<line class="grid" x1="10" x2="{{ width - 10 }}" y1="120.5" y2="120.5"/>
{% for bar in bars -%}
<rect x="{{ bar.x }}" y="{{ 120 - bar.height }}" width="{{ bar.width }}" height="{{ bar.height }}"
 fill="var(--c0)"><title>{{ bar.range }}: {{ bar.value }}</title></rect>
{% endfor %}
{% for tick in ticks -%}
<line class="grid" x1="{{ tick.at }}" x2="{{ tick.at }}" y1="120" y2="124"/>
<text x="{{ tick.at }}" y="136" text-anchor="middle">{{ tick.label }}</text>
{% endfor -%}
<text x="{{ width / 2 }}" y="151" text-anchor="middle">{{ unit }}</text></svg>""",
    "lines": """<svg role="img" viewBox="0 0 400 {{ height }}" width="400" height="{{ height }}">
{% for tick in y_ticks -%}
<line class="grid" x1="64" x2="385" y1="{{ tick.at }}" y2="{{ tick.at }}"/>
<text x="58" y="{{ tick.at + 4 }}" text-anchor="end">{{ tick.label }}</text>
{% endfor -%}
{% for tick in x_ticks -%}
<text x="{{ tick.at }}" y="208" text-anchor="middle">{{ tick.label }}</text>
{% endfor -%}
<text x="224" y="226" text-anchor="middle">{{ x_label }}</text>
<text x="12" y="102" text-anchor="middle" transform="rotate(-90 12 102)">{{ y_label }}</text>
{% for curve in curves -%}
<polyline class="curve" stroke="{{ curve.color }}" points="{{ curve.points }}">
<title>{{ curve.name }}</title></polyline>
{% for dot in curve.dots -%}
<circle cx="{{ dot.x }}" cy="{{ dot.y }}" r="2.5" fill="{{ curve.color }}">
<title>{{ curve.name }}, {{ dot.label }}</title></circle>
{% endfor -%}
<rect x="64" y="{{ curve.y - 10 }}" width="12" height="12" rx="2" fill="{{ curve.color }}"/>
<text x="82" y="{{ curve.y }}">{{ curve.name }}</text>
{% endfor %}</svg>""",
    "heat": """<div class="scroll"><table class="heat"><thead><tr><th>true \\ predicted</th>
{%- for label in labels %}<th>{{ label }}</th>{% endfor %}</tr></thead><tbody>
{% for row in rows %}<tr><th>{{ row.label }}</th>
{%- for cell in row.cells %}<td style="background: rgba(var(--heat), {{ cell.strength }})"
 title="{{ cell.share }} of the row">{{ cell.text }}</td>{% endfor %}</tr>
{% endfor %}</tbody></table></div>""",
}


def page(title: str, body: Markup) -> str:
    """A whole HTML document: style sheet, the title as its heading, then `body`."""
    return str(_render("page", title=title, style=Markup(_STYLE), body=body))


def table(
    headers: Sequence[object], rows: Sequence[Sequence[object]], numeric_columns: Sequence[int] = ()
) -> Markup:
    """A table of Markup, text or numbers; `numeric_columns` (from 0) are aligned right."""
    cells = [[cell if isinstance(cell, Markup) else number(cell) for cell in row] for row in rows]
    return _render(
        "table", headers=[visible(h) for h in headers], rows=cells, numeric=set(numeric_columns)
    )


def bar_chart(labels: Sequence[object], values: Sequence[float], unit: str = "") -> Markup:
    """Horizontal bars, one a label, in the order given; values are at least 0, NaN has no bar."""
    most = max((value for value in values if math.isfinite(value)), default=0) or 1
    bars = [
        {
            "y": 24 * index,
            "label": cut(label, 22),
            "full": visible(label),
            "width": round(max(160 * value / most, 0), 1) if math.isfinite(value) else 0,
            "value": f"{number(value)} {unit}".strip(),
        }
        for index, (label, value) in enumerate(zip(labels, values, strict=True))
    ]
    return _render("bars", bars=bars, height=24 * max(len(bars), 1))


def histogram(
    edges: Sequence[float], counts: Sequence[float], unit: str = "", width: int = 300
) -> Markup:
    """Upright bars without gaps: `edges` holds one number more than `counts`; width in pixels."""
    most = max(counts, default=0) or 1
    step = (width - 20) / max(len(counts), 1)
    bars = [
        {
            "x": round(10 + step * index, 2),
            "width": round(step * 0.92, 2),
            "height": round(110 * count / most, 1),
            "value": number(count),
            "range": f"{number(edges[index])} to {number(edges[index + 1])}",
        }
        for index, count in enumerate(counts)
    ]
    ticks = axes.within(edges[0], edges[-1]) if len(edges) else []
    places = axes.labelled(ticks, (edges[0], edges[-1]), 10, width - 20) if ticks else []
    return _render("histogram", bars=bars, ticks=places, unit=unit, width=width)


def line_chart(
    series: Mapping[str, Sequence[tuple[float, float]]], x_label: str = "", y_label: str = ""
) -> Markup:
    """One curve a series of (x, y) points; points that are not finite are left out."""
    finite = {
        name: [(x, y) for x, y in points if math.isfinite(x) and math.isfinite(y)]
        for name, points in series.items()
    }
    every = [point for points in finite.values() for point in points]
    x_range = axes.span([x for x, _ in every])
    x_ticks = axes.within(*x_range, whole=all(float(x).is_integer() for x, _ in every))
    y_range, y_ticks = axes.around(*axes.span([y for _, y in every]))
    curves = []
    for index, (name, points) in enumerate(finite.items()):
        dots = [
            {
                "x": round(64 + 321 * axes.place(x, x_range), 1),
                "y": round(190 - 180 * axes.place(y, y_range), 1),
                "label": f"{number(x)}: {number(y)}",
            }
            for x, y in points
        ]
        curves.append(
            {
                "name": visible(name),
                "color": f"var(--c{index % 6})",
                "points": " ".join(f"{dot['x']},{dot['y']}" for dot in dots),
                "dots": dots if len(dots) <= 40 else [],
                "y": 246 + 18 * index,
            }
        )
    return _render(
        "lines",
        curves=curves,
        x_label=x_label,
        y_label=y_label,
        height=242 + 18 * len(curves),
        x_ticks=axes.labelled(x_ticks, x_range, 64, 321),
        y_ticks=axes.labelled(y_ticks, y_range, 190, -180),
    )


def heat_table(labels: Sequence[object], matrix: Sequence[Sequence[float]]) -> Markup:
    """A confusion matrix: rows are true labels, columns predicted; shaded by the row's share."""
    rows = []
    for label, values in zip(labels, matrix, strict=True):
        total = sum(values) or 1
        cells = [
            {
                "text": number(value),
                "share": f"{100 * value / total:.1f} %",
                "strength": f"{0.75 * value / total:.2f}",
            }
            for value in values
        ]
        rows.append({"label": visible(label), "cells": cells})
    return _render("heat", labels=[visible(label) for label in labels], rows=rows)


def badge(text: object, kind: str = "plain") -> Markup:
    """A small mark; kind is "good" (green), "warn" (amber), "bad" (red) or "plain" (grey)."""
    if kind not in ("good", "warn", "bad", "plain"):
        raise ValueError(f"`kind` must be good, warn, bad or plain. Received: {kind}")
    return Markup('<span class="badge {}">{}</span>').format(kind, visible(text))


def number(value: object) -> str:
    """A number as people read it: 12,345 or 0.8312; anything else as text."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return visible(value)
    if not math.isfinite(value):
        return "n/a"
    if float(value).is_integer() and abs(value) < 1e15:
        return f"{int(value):,}"
    return f"{value:,.1f}" if abs(value) >= 1000 else f"{value:.4g}"


def visible(value: object) -> str:
    """Text with control characters and direction marks spelled out (such as \\x00 or \\u202e)."""
    return _INVISIBLE.sub(
        lambda match: match[0].encode("unicode_escape", "backslashreplace").decode(), str(value)
    )


def cut(value: object, length: int) -> str:
    """Text made `visible` and cut to at most `length` characters, the last one an ellipsis."""
    return shortened(visible(value), length)


def marked(
    words: Sequence[str], spans: Sequence[tuple[str, int, int]], kinds: Sequence[str]
) -> Markup:
    """A sentence in which each span stands in a box that names its kind.

    Args:
        words: Of the sentence.
        spans: (kind, first word, one past the last), in order and apart from each other.
        kinds: All kinds, in an order of their own: a kind has the same colour on the whole page.
    """
    parts, done = [], 0
    for kind, start, end in spans:
        parts += [visible(word) for word in words[done:start]]
        color = f"var(--c{kinds.index(kind) % 6})" if kind in kinds else "var(--plain)"
        inside = visible(" ".join(words[start:end]))
        parts.append(_MARK.format(color, inside, visible(kind)))
        done = end
    parts += [visible(word) for word in words[done:]]
    return Markup(" ").join(parts)


_MARK = Markup('<mark style="--mark: {}">{}<small>{}</small></mark>')


@functools.cache
def _template(name: str) -> jinja2.Template:
    environment = jinja2.Environment(autoescape=True, finalize=_finalize)
    environment.filters["length_shown"] = _length_shown
    return environment.from_string(_TEMPLATES[name])


def _finalize(value: object) -> object:
    """Makes every piece of text that a template inserts `visible`."""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _length_shown(cell: str) -> int:
    """How many characters a cell shows: a drawing's words and tags are none."""
    return len(cell.striptags()) if isinstance(cell, Markup) else len(cell)


def _render(name: str, **values: Any) -> Markup:
    return Markup(_template(name).render(**values))
