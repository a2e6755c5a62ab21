"""The report as one HTML file: no script, nothing fetched, light and dark, wide and narrow."""

import base64
import math
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure

if TYPE_CHECKING:
    from ._report import Part

_CSS = """
:root { color-scheme: light dark; --ink: #1c1c1e; --paper: #fdfdfc; --line: #d9d9d6; --faint: #63636b;
  --card: #ffffff; --warn: #a33c00; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e6e3; --paper: #17181a; --line: #3a3b3f; --faint: #a2a2a8; --warn: #ffb07a; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.5rem 1rem 4rem; max-width: 62rem; background: var(--paper);
  color: var(--ink); font: 16px/1.55 system-ui, sans-serif; }
h1 { line-height: 1.2; margin-bottom: .3rem; }
h2 { margin-top: 3rem; border-top: 1px solid var(--line); padding-top: 1.2rem; }
p { max-width: 44rem; }
nav { display: flex; flex-wrap: wrap; gap: .2rem 1rem; }
a { color: inherit; }
figure { margin: 1.2rem 0; overflow-x: auto; }
figure img { display: block; width: 100%; min-width: 36rem; height: auto; padding: .6rem;
  background: var(--card); border: 1px solid var(--line); border-radius: 8px; }
.table { overflow-x: auto; margin: 1rem 0; }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .25rem .9rem .25rem 0; border-bottom: 1px solid var(--line);
  vertical-align: top; }
th { font-weight: 600; }
td + td { text-align: right; }
summary { cursor: pointer; color: var(--faint); }
.faint { color: var(--faint); font-size: .9rem; }
.warn { color: var(--warn); }
pre { overflow-x: auto; font-size: .8rem; }
"""


def page(title: str, about: dict[str, Any], parts: list["Part"], pictures: dict[str, bytes]) -> str:
    """The page. `pictures` are PNG or SVG by section and figure, "section-figure"."""
    links = "".join(f'<a href="#{p.name}">{escape(_title(p))}</a>' for p in parts)
    body = "".join(_part(part, pictures) for part in parts)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_CSS}</style></head><body>"
        f"<h1>{escape(title)}</h1>{_rows(about)}<nav>{links}</nav>{body}</body></html>\n"
    )


def _title(part: "Part") -> str:
    return part.section.title if part.section else part.name.capitalize()


def _part(part: "Part", pictures: dict[str, bytes]) -> str:
    head = f'<section id="{part.name}"><h2>{escape(_title(part))}</h2>'
    if part.section is None:
        kind = "Skipped" if part.status == "skipped" else "This section failed; the others stand"
        why = f'<p class="warn">{kind}: {escape(part.reason)}</p>'
        trace = f"<details><summary>Details</summary><pre>{escape(part.trace)}</pre></details>"
        return f"{head}{why}{trace if part.trace else ''}</section>"
    figures = "".join(
        f'<figure><img alt="{escape(_alt(figure))}" src="{_inline(pictures[f"{part.name}-{name}"])}">'
        "</figure>"
        for name, figure in part.section.figures.items()
    )
    text = f"<p>{escape(part.section.text)}</p>"
    return f"{head}{text}{_numbers(part.section.numbers)}{figures}</section>"


def _inline(picture: bytes) -> str:
    kind = "png" if picture.startswith(b"\x89PNG") else "svg+xml"
    return f"data:image/{kind};base64,{base64.b64encode(picture).decode()}"


def _alt(figure: Figure) -> str:
    """What a picture shows, from the titles and labels of its panels."""
    panels = []
    for axes in figure.axes:
        title = axes.get_title() or axes.get_title(loc="left") or axes.get_title(loc="right")
        labels = [label for label in (axes.get_ylabel(), axes.get_xlabel()) if label]
        words = [word for word in (title, " against ".join(labels)) if word]
        if words:
            panels.append(": ".join(words))
    panels += [label for label in (figure.get_supylabel(), figure.get_supxlabel()) if label]
    return "; ".join(dict.fromkeys(panels)) or "figure"


def _numbers(numbers: dict[str, Any]) -> str:
    """Single numbers as a list, numbers by name as a table; longer ones are in analysis.json alone."""
    numbers = plain(numbers)
    tables = _rows({k: v for k, v in numbers.items() if not isinstance(v, dict | list)})
    alike: list[dict[str, Any]] = []
    for name, value in numbers.items():
        if isinstance(value, dict) and _single(value):
            group = next((g for g in alike if not value.keys().isdisjoint(_keys(g))), None)
            if group is None:
                alike.append(group := {})
            group[name] = value
    for group in alike:  # such as before and after training: one column each
        rows = {row: [v.get(row) for v in group.values()] for row in _keys(group)}
        tables += _folded(", ".join(group), _table(list(group), rows), len(rows))
    for name, value in numbers.items():
        rows = value if isinstance(value, dict) else {}
        if rows and all(isinstance(row, dict) and _single(row) for row in rows.values()):
            columns = _keys(rows)
            table = _table(columns, {k: [row.get(c) for c in columns] for k, row in rows.items()})
            tables += _folded(name, table, len(rows))
    return tables


def _folded(name: str, table: str, rows: int) -> str:
    """A table under its name; a long one is closed until the reader opens it."""
    shown = " open" if rows <= 16 else ""
    return f"<details{shown}><summary>{escape(name)}</summary>{table}</details>"


def _single(values: dict[str, Any]) -> bool:
    return bool(values) and not any(isinstance(v, dict | list) for v in values.values())


def _keys(rows: dict[str, dict[str, Any]]) -> list[str]:
    return list(dict.fromkeys(key for row in rows.values() for key in row))


def _rows(values: dict[str, Any]) -> str:
    cells = "".join(f"<tr><th>{escape(k)}</th><td>{_cell(v)}</td></tr>" for k, v in values.items())
    return f'<div class="table"><table>{cells}</table></div>' if cells else ""


def _table(columns: list[str], rows: dict[str, list[Any]]) -> str:
    head = "".join(f"<th>{escape(column)}</th>" for column in ["", *columns])
    body = "".join(
        f"<tr><td>{escape(name)}</td>{''.join(f'<td>{_cell(v)}</td>' for v in row)}</tr>"
        for name, row in rows.items()
    )
    return f'<div class="table"><table><tr>{head}</tr>{body}</table></div>'


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return escape(
        f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
    )


def plain(value: Any) -> Any:
    """As strict JSON has it: arrays become lists, and numbers that are not finite None."""
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, np.ndarray | list | tuple):
        return [plain(v) for v in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
