"""What the pages say: every public name is in the reference, and their Python runs."""

import importlib.util
import inspect
import re
import textwrap
from pathlib import Path

import pytest

import cli
import ctrnn
import ctrnn.analysis
import ctrnn.plotting
import tasks

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
_BLOCK = re.compile(r"^(<!-- fragment.*?-->\n+)?```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


def runnable(page):
    """The blocks of a page that are whole."""
    return [code for fragment, code in _BLOCK.findall(page.read_text()) if not fragment]


def public(module):
    """What `module` exports: its names, less other modules and what it imported for itself."""
    for name, value in vars(module).items():
        if name.startswith("_") or inspect.ismodule(value):
            continue
        if getattr(value, "__module__", module.__name__).startswith(module.__name__):
            yield f"{module.__name__}.{name}"


@pytest.mark.parametrize("module", [ctrnn, ctrnn.analysis, ctrnn.plotting, tasks])
def test_every_public_name_is_in_the_reference(module):
    text = "\n".join(p.read_text() for p in (ROOT / "docs/reference").glob("*.md"))
    shown = set(re.findall(r"^::: ([\w.]+)", text, re.MULTILINE))
    missing = sorted(set(public(module)) - shown)
    assert not missing, "give each a line `::: NAME` in docs/reference/"


def test_every_public_function_says_what_it_does():
    named = [*public(ctrnn), *public(ctrnn.analysis), *public(tasks)]
    objects = {n: getattr(eval(n.rpartition(".")[0]), n.rpartition(".")[2]) for n in named}
    callables = {n: x for n, x in objects.items() if callable(x)}
    assert len(callables) > 40
    assert not [n for n, x in callables.items() if not (x.__doc__ or "").strip()]


@pytest.mark.parametrize(
    "page", [page for page in PAGES if runnable(page)], ids=lambda p: str(p.relative_to(ROOT))
)
def test_python_of_a_page_runs(page, tmp_path, monkeypatch):
    """In order, in one namespace; `<!-- fragment -->` before a block says that it is not whole."""
    monkeypatch.chdir(tmp_path)
    names = {}
    for code in runnable(page):
        # A test need not train for long to see that training runs.
        exec(re.sub(r"range\(\d{3,}\)", "range(2)", code), names)


def test_python_in_docstrings_uses_names_that_exist():
    files = [*ROOT.glob("ctrnn/**/*.py"), *ROOT.glob("tasks/**/*.py")]
    blocks = [
        (file, textwrap.dedent(block))
        for file in files
        for block in re.findall(r"```python\n(.*?)```", file.read_text(), re.DOTALL)
    ]
    assert len(blocks) > 20
    modules = {"ctrnn": ctrnn, "tasks": tasks}
    for file, code in blocks:
        compile(code, str(file), "exec")
        for module, name in re.findall(r"\b(ctrnn|tasks)\.(\w+)", code):
            if importlib.util.find_spec(f"{module}.{name}") is None:
                assert hasattr(modules[module], name), f"{file.name}: {module}.{name}"


def tables():
    return _hook("tables")


def _hook(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / f"docs/{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_reference_of_the_command_has_every_option():
    text = tables().commands()
    for name in ctrnn.Config.model_fields.keys() - {"version"}:
        assert f"| `--{name.replace('_', '-')}` |" in text
    for command in cli.app.registered_commands:
        assert f"### ctrnn {command.name or command.callback.__name__}" in text
    assert "### ctrnn tasks show" in text and "[dim]" not in text and "typing." not in text


def test_the_reference_of_settings_has_every_field():
    text = tables().settings()
    for name, field in ctrnn.Config.model_fields.items():
        assert f"| `{name}` |" in text and field.description in text


def test_a_script_becomes_prose_code_and_what_came_out(tmp_path, monkeypatch):
    tutorials = _hook("tutorials")
    script = tmp_path / "small.py"
    script.write_text(
        "# %% [markdown]\n# # Title\n#\n# Prose.\n\n# %%\nprint(1 + 1)\n\n# %%\n"
        "from pathlib import Path\nPath('a-dot.png').write_bytes(b'')\n"
    )
    kinds = [(kind, text.split("\n")[0]) for kind, text, _ in tutorials.cells(script.read_text())]
    assert kinds == [
        ("markdown", "# Title"),
        ("code", "print(1 + 1)"),
        ("code", "from pathlib import Path"),
    ]
    out = tmp_path / "out"
    out.mkdir()
    monkeypatch.chdir(out)
    tutorials.run(script, out)
    page = tutorials.page("small", script, out)
    assert page.startswith("# Title\n\nProse.\n\n```python\nprint(1 + 1)\n```")
    assert "\n2\n```" in page and "![a dot](small/a-dot.png)" in page


def test_a_script_that_fails_fails_the_build(tmp_path, monkeypatch):
    tutorials = _hook("tutorials")
    (tmp_path / "examples").mkdir()
    (tmp_path / "examples/bad.py").write_text("# %%\n1 / 0\n")
    (tmp_path / "cli.py").write_text("")
    monkeypatch.setattr(tutorials, "ROOT", tmp_path)
    monkeypatch.setattr(tutorials, "CACHE", tmp_path / "cache")
    with pytest.raises(RuntimeError, match=r"bad\.py failed(.|\n)*ZeroDivisionError"):
        tutorials.outcome("bad")
    assert not any((tmp_path / "cache").iterdir())


def test_weights_of_a_torch_user_give_the_same_numbers(tmp_path):
    pytest.importorskip("torch")
    tutorials = _hook("tutorials")
    tutorials.run(ROOT / "examples/from_pytorch.py", tmp_path)  # asserts it
