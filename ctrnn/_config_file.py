"""Settings as a person writes them: read from a file, and their mistakes said in sentences."""

import difflib
import tomllib
from pathlib import Path
from typing import Any

import pydantic

from ._config import Config


def load_config(file: Path | str) -> dict[str, Any]:
    """The settings in a TOML file, unchecked; `Config(**load_config(file))` checks them.

    **Arguments:**

    - `file`: where; `ctrnn config --write my.toml` makes one with all settings.

    **Returns:**

    The settings by name.

    **Raises:**

    `ValueError` if the file cannot be read or is not TOML.

    !!! example

        ```python
        config = ctrnn.Config(**ctrnn.load_config("my.toml"))
        ```
    """
    try:
        return tomllib.loads(Path(file).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ValueError(f"cannot read the config {file}: {error}") from error


def explain(error: pydantic.ValidationError) -> str:
    """A validation error as one sentence per mistake.

    !!! example

        ```python
        try:
            ctrnn.Config(sparsity=2)
        except pydantic.ValidationError as error:
            print(ctrnn.explain(error))  # sparsity = 2: input should be less than or equal to 1.
        ```
    """
    sentences = []
    for mistake in error.errors():
        name = ".".join(map(str, mistake["loc"]))
        if mistake["type"] == "extra_forbidden":
            near = difflib.get_close_matches(name, Config.model_fields, 1)
            meant = f"did you mean {near[0]!r}? The" if near else "the"
            known = ", ".join(Config.model_fields)
            sentences.append(f"unknown setting {name!r}; {meant} settings are {known}.")
        else:
            reason = mistake["msg"].removeprefix("Value error, ")
            where = f"{name} = {mistake['input']!r}: " if name else ""
            sentences.append(f"{where}{reason[0].lower() + reason[1:]}.".replace("..", "."))
    return " ".join(sentences)
