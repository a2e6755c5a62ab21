"""`ctrnn analyse`: every analysis of a run, its pictures, its numbers, and one page that holds all."""

import dataclasses
import io
import json
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import matplotlib as mpl
from matplotlib.figure import Figure

from .._checkpoint import atomic_write
from ._draw_fixed_points import fixed_points_section
from ._draw_lesions import lesions_section
from ._draw_state_space import state_space_section
from ._page import page, plain
from ._psychophysics import psychophysics_section
from ._similarity import similarity_section
from ._structure import structure_section
from ._style import STYLE
from ._subject import Cannot, Section, Subject
from ._variance import variance_section

SECTIONS: dict[str, Callable[[Subject], Section]] = {
    "fixed-points": fixed_points_section,
    "state-space": state_space_section,
    "variance": variance_section,
    "structure": structure_section,
    "lesions": lesions_section,
    "similarity": similarity_section,
    "psychophysics": psychophysics_section,
}
"""What the report holds, by the name that its files have, in the order of the page."""


@dataclasses.dataclass(frozen=True)
class Part:
    """How a section went: "done" with its `section`, or why it was "skipped" or "failed"."""

    name: str
    status: Literal["done", "skipped", "failed"]
    seconds: float
    section: Section | None = None
    reason: str = ""
    trace: str = ""


def analyse(
    subject: Subject,
    folder: Path,
    *,
    title: str,
    about: dict[str, Any],
    report: Callable[[Part], None] = lambda part: None,
) -> list[Part]:
    """Make every section and write figures (PNG and SVG), analysis.json and report.html.

    A section that cannot be made, or that fails, leaves the others as they are.

    **Arguments:**

    - `subject`: what is looked into.
    - `folder`: where to; made if it is not there. Each file is written whole or not at all.
    - `title`, `about`: the page's heading, and facts to stand below it.
    - `report`: called after each section.

    **Returns:**

    How each section went.

    !!! example

        ```python
        parts = analyse(subject, Path("analysis"), title="My run", about={"neurons": 1024})
        assert all(part.status != "failed" for part in parts)
        ```
    """
    (folder / "figures").mkdir(parents=True, exist_ok=True)
    parts, pictures = [], {}
    for name, make in SECTIONS.items():
        begun = time.monotonic()
        section, status, reason, trace = None, "done", "", ""
        try:
            with mpl.rc_context(STYLE):
                section = make(subject)
                for figure_name, figure in section.figures.items():
                    stem = f"{name}-{figure_name}"
                    pictures[stem] = _save(figure, folder / "figures" / stem)
        except Cannot as cannot:
            status, reason = "skipped", str(cannot)
        except Exception as error:  # whatever it is, the other sections are still worth having
            status, reason = "failed", f"{type(error).__name__}: {error}"
            section, trace = None, traceback.format_exc()
        seconds = round(time.monotonic() - begun, 1)
        parts.append(Part(name, status, seconds, section, reason, trace))
        report(parts[-1])
    sections = {part.name: _as_json(part) for part in parts}
    content = json.dumps(plain({"title": title, "about": about, "sections": sections}), indent=1)
    with atomic_write(folder / "analysis.json") as stream:
        stream.write(content.encode())
    with atomic_write(folder / "report.html") as stream:
        stream.write(page(title, plain(about), parts, pictures).encode())
    return parts


def _as_json(part: Part) -> dict[str, Any]:
    about = {"status": part.status, "seconds": part.seconds}
    if part.section is None:
        return about | {"reason": part.reason}
    section = part.section
    return about | {"title": section.title, "text": section.text, "numbers": section.numbers}


def _save(figure: Figure, stem: Path) -> bytes:
    """Writes a picture as PNG and SVG. Returns the SVG, or the PNG where that is smaller."""
    drawn = {}
    for suffix in ("png", "svg"):
        buffer = io.BytesIO()
        dated = {"Date": None} if suffix == "svg" else {}
        figure.savefig(buffer, format=suffix, facecolor="white", dpi=150, metadata=dated)
        drawn[suffix] = buffer.getvalue()
        with atomic_write(stem.with_name(f"{stem.name}.{suffix}")) as stream:
            stream.write(drawn[suffix])
    return min(drawn["svg"], drawn["png"], key=len)
