"""Turns TeX into MathML when the site is built: readers' browsers need no script or font for it."""

import html
import re
from typing import Any

import latex2mathml.converter

_SPAN = re.compile(r'<(span|div) class="arithmatex">\\[(\[](.*?)\\[)\]]</\1>', re.DOTALL)


def on_page_content(content: str, **kwargs: Any) -> str:
    def mathml(match: re.Match[str]) -> str:
        display = "block" if match[1] == "div" else "inline"
        return latex2mathml.converter.convert(html.unescape(match[2]), display=display)

    return _SPAN.sub(mathml, content)
