"""Lists the links to other sites, each with the pages that have it: `python docs/links.py`.

No test follows them, since tests run without a network.
"""

import re
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
_LINK = re.compile(r"https?://[^\s)>\"'`\]}]+[^\s)>\"'`\]}.,;:]")


def links() -> dict[str, list[str]]:
    found = defaultdict(set)
    patterns = ("*.md", "docs/**/*.md", "examples/*", "ctrnn/**/*.py", "tasks/**/*.py")
    for page in (page for pattern in patterns for page in ROOT.glob(pattern)):
        if page.suffix in (".md", ".py", ".sh"):
            for link in _LINK.findall(page.read_text()):
                found[link].add(str(page.relative_to(ROOT)))
    return {link: sorted(found[link]) for link in sorted(found)}


if __name__ == "__main__":
    for link, where in links().items():
        print(link, *where, sep="\n    ")
