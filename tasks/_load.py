import importlib
import os
import sys

from ._battery import Battery


def load(where: str) -> Battery:
    """A battery that someone else's module defines.

    **Arguments:**

    - `where`: `"module:attribute"`. The module is looked for in the working directory too.

    **Returns:**

    The [`tasks.Battery`][] that the attribute is.

    **Raises:**

    `ValueError` if there is no such module or attribute, if it is not a battery, or if the module
    fails when it is imported, as where it needs another that is not there.

    !!! example

        ```python
        battery = tasks.load("own_task:my_battery")
        ```
    """
    module_name, _, attribute = where.partition(":")
    if not attribute or not all(part.isidentifier() for part in module_name.split(".")):
        raise ValueError(f"{where!r} has to be of the form 'module:attribute'")
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise ValueError(f"the module {module_name!r} needs {error.name!r}: {error}") from error
        raise ValueError(
            f"there is no module {module_name!r} to take a battery from; "
            "run from the folder that holds it, or install it"
        ) from error
    except Exception as error:  # a module of the user's may fail in any way
        kind = type(error).__name__
        raise ValueError(
            f"the module {module_name!r} fails when imported: {kind}: {error}"
        ) from error
    battery = getattr(module, attribute, None)
    if not isinstance(battery, Battery):
        known = [name for name, value in vars(module).items() if isinstance(value, Battery)]
        what = "is not a tasks.Battery" if hasattr(module, attribute) else "does not exist"
        raise ValueError(f"{where!r} {what}; the module has {', '.join(known) or 'no battery'}")
    return battery
