"""The built site as files: `mkdocs build`, in site/ or where CTRNN_SITE says."""

import html.parser
import os
from pathlib import Path
from urllib.parse import unquote, urlparse

import pytest

SITE = Path(os.environ.get("CTRNN_SITE", Path(__file__).resolve().parents[2] / "site"))
pytestmark = pytest.mark.skipif(
    not (SITE / "index.html").is_file(), reason="build the site first: mkdocs build"
)


class Links(html.parser.HTMLParser):
    """Where a page leads (`a`), and what a browser fetches for it."""

    def __init__(self):
        super().__init__()
        self.leads, self.fetched = [], []

    def handle_starttag(self, tag, attrs):
        for name, value in attrs:
            if name in ("href", "src") and value:
                fetches = tag != "a" and not (tag == "link" and ("rel", "canonical") in attrs)
                (self.fetched if fetches else self.leads).append(value)


def pages():
    for page in SITE.rglob("*.html"):
        links = Links()
        links.feed(page.read_text())
        yield page, links


def test_every_link_within_the_site_leads_somewhere():
    lost = []
    for page, links in pages():
        for link in (*links.leads, *links.fetched):
            parts = urlparse(link)
            if parts.scheme or parts.netloc or not parts.path or page.name == "404.html":
                continue
            target = (page.parent / unquote(parts.path)).resolve()
            if not (target / "index.html" if target.is_dir() else target).is_file():
                lost.append((str(page.relative_to(SITE)), link))
    assert not lost


def test_nothing_is_fetched_from_anyone_else():
    elsewhere = {x for _, links in pages() for x in links.fetched if urlparse(x).netloc}
    assert not elsewhere


def test_every_tutorial_can_be_downloaded_and_ends_in_a_picture():
    for page in SITE.glob("tutorials/*/index.html"):
        assert [f for f in page.parent.iterdir() if f.suffix in (".py", ".sh")], page.parent
        assert [f for f in page.parent.iterdir() if f.suffix == ".png"], page.parent
