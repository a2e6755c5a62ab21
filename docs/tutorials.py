"""Turns scripts of examples/ into pages: prose, code, what it printed and what it drew.

Each `tutorials/NAME.md` of the navigation is made from `examples/NAME.py` or `examples/NAME.sh`, a
script in the percent format: `# %% [markdown]` begins prose, `# %%` code. Code cells run when the
site is built; pictures that a cell leaves in its working directory are shown beneath it. What came
out is kept in .cache/tutorials until the script, the package or a library changes.
"""

import contextlib
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
CACHE = ROOT / ".cache" / "tutorials"
LIBRARIES = ("jax", "equinox", "diffrax", "optax", "matplotlib")
PICTURES = {".png", ".gif", ".svg"}
_HEADER = re.compile(r"^# %%(?: \[(\w+)\])?.*\n", re.MULTILINE)


def cells(script: str) -> list[tuple[str, str, int]]:
    """Kind ("markdown" or "code"), text and first line of each cell."""
    found = list(_HEADER.finditer(script))
    ends = [match.start() for match in found[1:]] + [len(script)]
    parts = []
    for match, end in zip(found, ends, strict=True):
        text, line = script[match.end() : end].strip("\n"), script.count("\n", 0, match.end())
        if match[1] == "markdown":
            text = re.sub(r"^# ?", "", text, flags=re.MULTILINE)
        parts.append((match[1] or "code", text, line))
    return parts


def run(script: Path, folder: Path) -> None:
    """Runs a script's code cells in `folder`, and writes what each printed and drew to result.json."""
    execute = _shell() if script.suffix == ".sh" else _python(script)
    os.chdir(folder)
    begun, seen, outcome = time.monotonic(), {}, []
    for kind, text, line in cells(script.read_text()):
        if kind == "code":
            printed = execute(text, line)
            now = {path.name: path.stat().st_mtime_ns for path in _pictures(folder)}
            drawn = [name for name, when in now.items() if seen.get(name) != when]
            outcome.append({"printed": printed, "drawn": sorted(drawn)})
            seen = now
    result = {"seconds": time.monotonic() - begun, "cells": outcome}
    (folder / "result.json").write_text(json.dumps(result))


def _pictures(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.suffix in PICTURES and path.is_file()]


def _python(script):
    names: dict[str, Any] = {"__name__": "__main__", "__file__": str(script)}
    sys.path.insert(0, str(script.parent))
    sys.argv = [str(script)]

    def execute(text: str, line: int) -> str:
        with contextlib.redirect_stdout(io.StringIO()) as stream:
            exec(compile("\n" * line + text, str(script), "exec"), names)
        return stream.getvalue()

    return execute


def _shell():
    def execute(text: str, line: int) -> str:
        command = ["bash", "-euo", "pipefail", "-c", text]
        return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout

    return execute


def outcome(name: str) -> tuple[Path, Path]:
    """The script of a tutorial, and the folder of what it printed and drew; run if need be."""
    script = next(p for p in (ROOT / "examples").glob(f"{name}.*") if p.suffix in (".py", ".sh"))
    folder = CACHE / f"{name}-{_digest(script)}"
    if not folder.exists():
        for old in (*CACHE.glob(f"{name}-*"), *CACHE.glob(f".{name}.*")):
            shutil.rmtree(old)
        draft = CACHE / f".{name}.{os.getpid()}"
        draft.mkdir(parents=True)
        try:
            bin = Path(sys.executable).parent
            settings = dict(
                MPLBACKEND="Agg",
                PYTHONPATH=str(ROOT),
                PATH=f"{bin}{os.pathsep}{os.environ['PATH']}",
                COLUMNS="84",
            )
            command = [sys.executable, __file__, str(script), str(draft)]
            subprocess.run(
                command, check=True, env=os.environ | settings, capture_output=True, text=True
            )
            draft.rename(folder)
        except subprocess.CalledProcessError as error:
            raise RuntimeError(f"examples/{script.name} failed:\n{error.stderr}") from error
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    return script, folder


def _digest(script: Path) -> str:
    sources = [script, Path(__file__), ROOT / "cli.py", *sorted(script.parent.glob("_*.py"))]
    sources += sorted(p for part in ("ctrnn", "tasks") for p in (ROOT / part).rglob("*.py"))
    digest = hashlib.sha256(" ".join(version(name) for name in LIBRARIES).encode())
    for source in sources:
        digest.update(source.read_bytes())
    return digest.hexdigest()[:16]


def helpers(script: Path) -> list[Path]:
    """The modules beside a script that it imports."""
    text = script.read_text()
    return [p for p in sorted(script.parent.glob("_*.py")) if f"from {p.stem} import" in text]


def page(name: str, script: Path, folder: Path) -> str:
    """The Markdown of a tutorial."""
    result = json.loads((folder / "result.json").read_text())
    language = "bash" if script.suffix == ".sh" else "python"
    outcomes, parts = iter(result["cells"]), []
    for kind, text, _ in cells(script.read_text()):
        if kind == "markdown":
            parts.append(text)
            continue
        cell = next(outcomes)
        parts.append(f"```{language}\n{text}\n```")
        if printed := cell["printed"].rstrip():
            parts.append(f"```{{.text .no-copy title=prints}}\n{printed}\n```")
        for picture in cell["drawn"]:
            parts.append(f"![{Path(picture).stem.replace('-', ' ')}]({name}/{picture})")
    needs = "".join(
        f" It needs [{helper.name}]({name}/{helper.name}){{: download}} beside it."
        for helper in helpers(script)
    )
    parts.append(
        f"*This page is [{script.name}]({name}/{script.name}){{: download}}, which took "
        f"{result['seconds']:.0f} s when the site was built.{needs}*"
    )
    return "\n\n".join(parts) + "\n"


def on_files(files: Any, config: Any) -> Any:
    from mkdocs.structure.files import File

    names = re.findall(r"tutorials/(\w+)\.md", json.dumps(config.nav))
    with ThreadPoolExecutor(2) as pool:
        for name, (script, folder) in zip(names, pool.map(outcome, names), strict=True):
            where = f"tutorials/{name}"
            content = page(name, script, folder)
            files.append(File.generated(config, f"{where}.md", content=content))
            for source in [script, *helpers(script), *_pictures(folder)]:
                uri = f"{where}/{source.name}"
                files.append(File.generated(config, uri, abs_src_path=str(source)))
    return files


if __name__ == "__main__":
    try:
        run(Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve())
    except Exception:
        traceback.print_exc()
        sys.exit(1)
