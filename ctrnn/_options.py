"""What all commands share: settings as options, and mistakes told in a sentence."""

import contextlib
import inspect
from collections.abc import Callable, Iterator
from typing import Annotated, Any, NoReturn

import pydantic
import typer
from rich.text import Text

from ._config import Config
from ._config_file import explain
from ._terminal import complaints


@contextlib.contextmanager
def boundary() -> Iterator[None]:
    """Turns a mistake in what the user gave into one sentence and exit code 2."""
    try:
        yield
    except pydantic.ValidationError as error:
        fail(explain(error), 2)
    except (ValueError, OSError, ImportError) as error:
        fail(str(error), 2)


def fail(sentence: str, code: int) -> NoReturn:
    complaints.print(Text.assemble(("Error: ", "bold red"), sentence))
    raise typer.Exit(code)


def with_settings(command: Callable[..., None], *, listed: bool = False) -> Callable[..., None]:
    """Gives a command one option per field of `ctrnn.Config`, collected as `settings`.

    `listed`: each as the text that was given, which may be a list.
    """

    def collected(**values: Any) -> None:
        own = {name: values.pop(name) for name in parameters}
        command(**own, settings={k: v for k, v in values.items() if v is not None})

    signature = inspect.signature(command, eval_str=True)
    parameters = {k: p for k, p in signature.parameters.items() if k != "settings"}
    options = []
    for name, field in Config.model_fields.items():
        extra = field.json_schema_extra
        if not isinstance(extra, dict) or name in parameters:
            continue
        given: Any = str if listed else field.annotation
        option = typer.Option(
            help=f"{field.description} [dim]\\[default: {field.default}][/dim]"
            if field.default is not None
            else field.description,
            rich_help_panel=str(extra["panel"]),
            show_default=False,
        )
        options.append(
            inspect.Parameter(
                name,
                inspect.Parameter.KEYWORD_ONLY,
                default=None,
                annotation=Annotated[given | None, option],
            )
        )
    collected.__signature__ = inspect.Signature([*parameters.values(), *options])  # pyright: ignore[reportFunctionMemberAccess] any function takes it
    collected.__annotations__ = {p.name: p.annotation for p in [*parameters.values(), *options]}
    collected.__name__, collected.__doc__ = command.__name__, command.__doc__
    return collected
