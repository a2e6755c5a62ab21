"""`ctrnn analyse`: one page that needs nothing else, and sections that do not take others with them."""

import html.parser
import json
import subprocess
import sys

import pytest
from typer.testing import CliRunner

import cli
from ctrnn import analysis
from ctrnn.analysis import _page, _report

TRAIN = "train --neurons 6x6 --sparsity 0.2 --dt 100 --batch-size 8 --warmup 2 --evaluate-every 3 "
TRAIN += "--evaluation-trials 2 --steps 3 --tasks"


def run(*words, code=0):
    result = CliRunner().invoke(cli.app, [str(word) for word in words])
    assert result.exit_code == code, result.output
    return result


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "run"
    run(*TRAIN.split(), "go,dm1", "--out", folder)
    return folder


class Seen(html.parser.HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.open, self.text = [], [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def test_a_run_becomes_one_page_that_needs_nothing_else(trained, tmp_path):
    output = run("analyse", trained, "--out", tmp_path, "--against", trained).output
    assert "variance" in output and "report.html" in output
    content = json.loads(
        (tmp_path / "analysis.json").read_text(), parse_constant=lambda word: pytest.fail(word)
    )
    # No task of these has a delay to hold anything in; all else can be asked.
    status = {name: section["status"] for name, section in content["sections"].items()}
    assert status.pop("fixed-points") == "skipped" and set(status.values()) == {"done"}
    assert set(content["sections"]) == set(analysis.SECTIONS)
    cka = content["sections"]["similarity"]["numbers"]["linear CKA"]
    (other,) = (name for name in cka if str(trained) in name)
    assert cka["this run (0.194)"][other] == pytest.approx(1)
    page = Seen((tmp_path / "report.html").read_text())
    assert page.open == []
    kinds = [tag for tag, _ in page.tags]
    assert not {"script", "link", "iframe"} & set(kinds)
    pictures = [attrs for tag, attrs in page.tags if tag == "img"]
    files = {f.name for f in (tmp_path / "figures").iterdir()}
    assert len(pictures) * 2 == len(files) and {f.split(".")[1] for f in files} == {"png", "svg"}
    assert all(p["src"].startswith("data:image/") and len(p["alt"]) > 5 for p in pictures)
    assert "url(" not in page.text and "@import" not in page.text
    for name in status:
        assert content["sections"][name]["title"] in page.text


def test_a_section_that_fails_or_cannot_be_made_leaves_the_others(trained, tmp_path, monkeypatch):
    def section(subject):
        return analysis.Section("A <b>title</b>", "text", {"one": 1.0, "none": float("nan")}, {})

    def cannot(subject):
        raise analysis.Cannot("there is <nothing> here.")

    def fails(subject):
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr(_report, "SECTIONS", {"good": section, "cannot": cannot})
    run("analyse", trained, "--out", tmp_path / "a")
    monkeypatch.setattr(_report, "SECTIONS", {"fails": fails, "good": section, "cannot": cannot})
    output = run("analyse", trained, "--out", tmp_path / "b", code=1).output
    assert "ZeroDivisionError: by zero" in output
    content = json.loads((tmp_path / "b" / "analysis.json").read_text())["sections"]
    assert {name: s["status"] for name, s in content.items()} == {
        "fails": "failed", "good": "done", "cannot": "skipped"
    }  # fmt: skip
    assert content["good"]["numbers"] == {"one": 1.0, "none": None}
    page = Seen((tmp_path / "b" / "report.html").read_text())
    assert "A <b>title</b>" in page.text and "there is <nothing> here" in page.text
    assert "This section failed" in page.text and "by zero" in page.text


def test_what_is_not_installed_skips_its_sections(trained, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.cluster", None)
    monkeypatch.setattr(_report, "SECTIONS", {"variance": analysis.variance_section})
    output = run("analyse", trained, "--out", tmp_path).output
    assert "skipped" in output and "pip install 'ctrnn-jax[analysis]'" in output


def test_runs_on_other_tasks_are_not_compared(trained, tmp_path):
    run(*TRAIN.split(), "go,dm2", "--out", tmp_path / "other")
    words = ["analyse", trained, "--out", tmp_path / "out", "--against", tmp_path / "other"]
    assert "other tasks" in run(*words, code=2).stderr
    assert not (tmp_path / "out").exists()


def test_neither_the_library_nor_the_command_loads_what_they_do_not_use():
    code = "import sys, ctrnn, cli; print(*[m for m in sys.modules if m.split('.')[0] in "
    code += "('matplotlib', 'sklearn', 'networkx') or m.startswith('ctrnn.analysis')])"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.split() == []


def test_tables_hold_what_shares_rows_and_long_ones_are_closed():
    before, after = {"mean": 0.1, "sd": 1.0}, {"mean": 0.4, "sd": 2.0, "clusters": 3}
    long = {f"task {i}": 0.5 for i in range(17)}
    made = _page._numbers({"before": before, "after": after, "dimension": long})
    assert made.count("<table>") == 2 and made.count("<details open>") == 1
    assert (
        "<summary>before, after</summary>" in made
        and "<td>mean</td><td>0.1</td><td>0.4</td>" in made
    )
    assert "<details><summary>dimension</summary>" in made
