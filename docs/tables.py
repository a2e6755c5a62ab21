"""Writes the reference tables that the code knows best: the command's options and the settings of a run.

A page says where with `<!-- commands -->`, `<!-- settings -->` or `<!-- presets -->`.
"""

import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from typer.models import ArgumentInfo, OptionInfo

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))


def on_page_markdown(markdown: str, **kwargs: Any) -> str:
    for table in (commands, settings, presets):
        mark = f"<!-- {table.__name__} -->"
        if mark in markdown:
            markdown = markdown.replace(mark, table())
    return markdown


def commands() -> str:
    """A section per command: usage, what it does, a table of arguments and options per panel."""
    import cli

    return "\n\n".join(_sections(cli.app, "ctrnn"))


def _sections(app: Any, prefix: str) -> Iterator[str]:
    for command in app.registered_commands:
        name = f"{prefix} {command.name or command.callback.__name__.strip('_').replace('_', '-')}"
        panels: dict[str, list] = {}
        arguments = []
        for parameter in inspect.signature(command.callback, eval_str=True).parameters.values():
            kind, info = get_args(parameter.annotation)[:2]
            default = parameter.default
            shown = f" Default: `{default}`." if default not in (None, True, False, ...) else ""
            if default is inspect.Parameter.empty:
                shown = " Required." if isinstance(info, OptionInfo) else ""
            about = _text(info.help) + shown
            if isinstance(info, ArgumentInfo):
                arguments.append(parameter.name.upper())
                panels.setdefault("argument", []).append((f"`{arguments[-1]}`", _kind(kind), about))
            else:
                # In an annotation the first name given stands where a default would.
                named = [x for x in (info.default, *(info.param_decls or ())) if isinstance(x, str)]
                flag = named[0] if named else f"--{parameter.name.replace('_', '-')}"
                panel = info.rich_help_panel or "option"
                panels.setdefault(panel, []).append((f"`{flag}`", _kind(kind), about))
        usage = " ".join([name, *arguments, "[OPTIONS]"])
        yield f"### {name}\n\n{inspect.getdoc(command.callback)}\n\n```text\n{usage}\n```"
        yield from (_table((panel, "takes", "means"), rows) for panel, rows in panels.items())
    for group in app.registered_groups:
        yield from _sections(group.typer_instance, f"{prefix} {group.name}")


def settings() -> str:
    """The fields of `ctrnn.Config`: type, default, limits, meaning."""
    import ctrnn

    panels: dict[str, list] = {}
    for name, field in ctrnn.Config.model_fields.items():
        extra = field.json_schema_extra
        panel = str(extra["panel"]) if isinstance(extra, dict) else "File"
        limits = ", ".join(
            f"{sign} {getattr(rule, key)}"
            for rule in field.metadata
            for key, sign in (("gt", ">"), ("ge", "≥"), ("lt", "<"), ("le", "≤"))
            if hasattr(rule, key)
        )
        kind = _kind(field.annotation) + (f" {limits}" if limits else "")
        default = "unset" if field.default is None else f"`{field.default}`"
        panels.setdefault(panel, []).append((f"`{name}`", kind, default, field.description))
    return "\n\n".join(_table((p, "is", "default", "means"), rows) for p, rows in panels.items())


def presets() -> str:
    """What each preset sets."""
    import ctrnn

    rows = [
        (f"`{name}`", ", ".join(f"`{key}` {value}" for key, value in sets.items()) or "nothing")
        for name, sets in ctrnn.PRESETS.items()
    ]
    return _table(("preset", "sets"), rows)


def _kind(annotation: Any) -> str:
    names = {str: "text", Path: "path", int: "whole number", float: "number", bool: "yes or no"}
    if annotation in names:
        return names[annotation]
    parts = [part for part in get_args(annotation) if part is not type(None)]
    if get_origin(annotation) is Literal:
        return ", ".join(f"`{part}`" for part in parts)
    return " or ".join(map(_kind, parts)) or str(annotation)


def _text(help: str | None) -> str:
    """Help without the markup of a terminal."""
    plain = re.sub(r"\[/?[a-z]+\]", "", help or "").replace("\\", "")
    plain = plain.replace("|", "\\|").replace("<", "&lt;")
    return re.sub(r"\[default: (.*?)\]", r"Default: `\1`.", plain)


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)
