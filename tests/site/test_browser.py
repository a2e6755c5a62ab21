"""The built site in a real browser, from a local server, with the rest of the network cut off.

Needs Chromium with its driver, Selenium and a built site: `mkdocs build`, in site/ or where
CTRNN_SITE says. Screenshots are kept in the folder that CTRNN_SCREENSHOTS names.
"""

import functools
import http.server
import json
import os
import shutil
import threading
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SITE = Path(os.environ.get("CTRNN_SITE", ROOT / "site"))
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
selenium = pytest.importorskip("selenium", reason="Selenium is not installed")
pytestmark = [
    pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="no Chromium with its driver here"),
    pytest.mark.skipif(
        not (SITE / "index.html").is_file(), reason="build the site first: mkdocs build"
    ),
]
PHONE = dict(width=390, height=844, deviceScaleFactor=1, mobile=True)
DESK = dict(width=1280, height=900, deviceScaleFactor=1, mobile=False)


class Handler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format, *args):
        pass


@pytest.fixture(scope="module")
def address():
    handler = functools.partial(Handler, directory=str(SITE))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    profile = tmp_path_factory.mktemp("profile")
    for argument in (
        "--headless=new",
        "--no-sandbox",
        "--disable-dev-shm-usage",
        "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
        f"--user-data-dir={profile}",
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(DRIVER))
    driver.set_page_load_timeout(60)
    yield driver
    driver.quit()


def pages():
    return sorted(p for p in SITE.rglob("*.html") if p.name != "404.html")


def look(browser, size, dark=False):
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    scheme = dict(name="prefers-color-scheme", value="dark" if dark else "light")
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})


def keep(browser, page, kind):
    folder = os.environ.get("CTRNN_SCREENSHOTS")
    if folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
        name = str(page.relative_to(SITE)).replace("/", "-").removesuffix(".html")
        browser.save_screenshot(f"{folder}/{name}-{kind}.png")


def complaints(browser, address):
    """What the console said, what failed to load, and what was asked of anyone else."""
    said = [entry["message"] for entry in browser.get_log("browser")]
    asked = {}  # by pages of ours; the browser has errands of its own
    for entry in browser.get_log("performance"):
        event = json.loads(entry["message"])["message"]
        kind, about = event["method"], event["params"]
        if kind == "Network.requestWillBeSent" and about["documentURL"].startswith(address):
            url = asked[about["requestId"]] = about["request"]["url"]
            if not url.startswith((address, "data:", "blob:")):
                said.append(f"asked for {url}")
        elif kind == "Network.responseReceived" and about["response"]["status"] >= 400:
            said.append(f"{about['response']['status']} for {about['response']['url']}")
        elif kind == "Network.loadingFailed" and about["requestId"] in asked:
            said.append(f"{about['errorText']} for {asked[about['requestId']]}")
    return said


def test_every_page_loads_whole_and_asks_nothing_of_others(browser, address):
    look(browser, DESK)
    found = {}
    for page in pages():
        name = str(page.relative_to(SITE))
        browser.get(address + name)
        broken = browser.execute_script(
            "return [...document.images].filter(i => i.complete && !i.naturalWidth).map(i => i.src)"
        )
        raw = browser.execute_script("return document.querySelectorAll('.arithmatex').length")
        found[name] = complaints(browser, address) + broken + ["unrendered maths"] * raw
        keep(browser, page, "desk")
    assert len(found) > 15
    assert not {name: said for name, said in found.items() if said}


def test_no_page_is_wider_than_a_phone(browser, address):
    look(browser, PHONE)
    wide = {}
    for page in pages():
        name = str(page.relative_to(SITE))
        browser.get(address + name)
        width = browser.execute_script("return document.documentElement.scrollWidth")
        wide[name] = width
        keep(browser, page, "phone")
    look(browser, DESK)
    assert not {name: width for name, width in wide.items() if width > PHONE["width"]}


def test_formulas_are_drawn(browser, address):
    browser.get(address + "explanation/model/index.html")
    sizes = browser.execute_script(
        "return [...document.querySelectorAll('math')].map(m => m.getBoundingClientRect().height)"
    )
    assert len(sizes) > 10 and min(sizes) > 5


def test_search_finds_locality(browser, address):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import WebDriverWait

    browser.get(address + "index.html")
    browser.find_element(By.CSS_SELECTOR, "[data-md-component=search-query]").send_keys("locality")
    results = WebDriverWait(browser, 30).until(
        lambda b: b.find_elements(By.CSS_SELECTOR, ".md-search-result__item")
    )
    assert any("Locality" in result.text for result in results)
    assert not complaints(browser, address)


@pytest.mark.parametrize("dark", [False, True])
def test_text_stands_out_in_both_schemes(browser, address, dark):
    look(browser, DESK, dark)
    browser.get(address + "index.html")
    browser.execute_script("localStorage.clear()")
    for name in ("index.html", "tutorials/refinement/index.html", "reference/network/index.html"):
        page = SITE / name
        browser.get(address + name)
        assert (luminance(colour(browser, "body", "backgroundColor")) < 0.2) == dark
        for selector in ("article p", "article code", "article h1"):
            text = luminance(colour(browser, selector, "color"))
            ground = luminance(colour(browser, "body", "backgroundColor"))
            contrast = (max(text, ground) + 0.05) / (min(text, ground) + 0.05)
            assert contrast >= 3, (name, selector, contrast)
        keep(browser, page, "dark" if dark else "light")
    look(browser, DESK)


def colour(browser, selector, which):
    """A computed colour on white or on the page, as red, green, blue in 0..255."""
    return browser.execute_script(
        """
        const canvas = document.createElement("canvas").getContext("2d")
        const fill = c => { canvas.fillStyle = c; canvas.fillRect(0, 0, 1, 1) }
        fill(getComputedStyle(document.body).backgroundColor)
        fill(getComputedStyle(document.querySelector(arguments[0]))[arguments[1]])
        return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3)
        """,
        selector,
        which,
    )


def luminance(rgb):
    """Relative luminance, as the Web Content Accessibility Guidelines define it."""
    linear = [
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (x / 255 for x in rgb)
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
