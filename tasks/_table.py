import difflib
import fnmatch
from collections.abc import Mapping
from types import MappingProxyType

from ._decision import Decision
from ._family import AbstractFamily
from ._match import Match
from ._reach import Reach

_BASE: dict[str, tuple[type, dict[str, bool]]] = {
    "go": (Reach, {}),
    "rtgo": (Reach, dict(reaction=True)),
    "dlygo": (Reach, dict(delayed=True)),
    "anti": (Reach, dict(anti=True)),
    "rtanti": (Reach, dict(anti=True, reaction=True)),
    "dlyanti": (Reach, dict(anti=True, delayed=True)),
    "dm1": (Decision, dict(shown_2=False)),
    "dm2": (Decision, dict(shown_1=False)),
    "ctxdm1": (Decision, dict(attend_2=False)),
    "ctxdm2": (Decision, dict(attend_1=False)),
    "multidm": (Decision, {}),
    "dlydm1": (Decision, dict(shown_2=False, delayed=True)),
    "dlydm2": (Decision, dict(shown_1=False, delayed=True)),
    "ctxdlydm1": (Decision, dict(attend_2=False, delayed=True)),
    "ctxdlydm2": (Decision, dict(attend_1=False, delayed=True)),
    "multidlydm": (Decision, dict(delayed=True)),
    "dms": (Match, {}),
    "dnms": (Match, dict(go_on_match=False)),
    "dmc": (Match, dict(category=True)),
    "dnmc": (Match, dict(category=True, go_on_match=False)),
}
_DELAYED = [name for name, (kind, flags) in _BASE.items() if kind is Match or "delayed" in flags]
_INTEGRATE = {"": 0, "intr": 1, "intl": -1}
_SEQUENCE = {"": 0, "seqr": 1, "seql": -1}


def _rows(bases, integrate, sequence) -> list[tuple[str, AbstractFamily]]:
    return [
        (base + i + s, kind(**flags, integrate=_INTEGRATE[i], sequence=_SEQUENCE[s]))
        for base in bases
        for i in integrate
        for s in sequence
        for kind, flags in [_BASE[base]]
    ]


_ALL = [
    *_rows(_BASE, [""], [""]),
    *_rows(_DELAYED, ["intr", "intl"], [""]),
    *_rows(_BASE, [""], ["seqr"]),
    *_rows(_BASE, [""], ["seql"]),
    *_rows(_DELAYED, ["intr", "intl"], ["seqr", "seql"]),
    *_rows(["go"], ["intr", "intl"], [""]),
    *_rows(["go"], ["intr", "intl"], ["seqr", "seql"]),
]
TABLE: Mapping[str, AbstractFamily] = MappingProxyType(dict(_ALL))
"""All 132 tasks by name: a family with its settings each."""
NAMES: tuple[str, ...] = tuple(TABLE)
"""The names of the 132 tasks, in order."""
SETS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {str(count): NAMES[:count] for count in (20, 82, 126, 132)}
)
"""The named sets "20", "82", "126" and "132": each the first so many of `tasks.NAMES`."""


def select_names(names: str) -> tuple[str, ...]:
    """The tasks that a comma-separated list of names, globs and set names asks for.

    **Arguments:**

    - `names`: for instance `"82"`, `"dly*,dms"` or `"go,anti,dm1intseq"`. `<base>intseq`, as the
        public code has it, is another name for `<base>intrseqr`.

    **Returns:**

    Names of tasks, each once, in the order of `tasks.NAMES`.

    **Raises:**

    `ValueError` if a part of the list is neither, with the nearest name.
    """
    chosen = set()
    for part in filter(None, (part.strip() for part in names.split(","))):
        part = part.removesuffix("intseq") + "intrseqr" if part.endswith("intseq") else part
        found = SETS.get(part) or fnmatch.filter(NAMES, part)
        if not found:
            near = difflib.get_close_matches(part, [*NAMES, *SETS], n=1, cutoff=0.0)[0]
            raise ValueError(
                f"no task is called {part!r}; did you mean {near!r}? Names, globs such as 'dly*' "
                f"and the sets {', '.join(SETS)} are allowed (`ctrnn tasks list` shows all names)"
            )
        chosen.update(found)
    if not chosen:
        raise ValueError(f"{names!r} asks for no task; use names, globs or the set '132'")
    return tuple(name for name in NAMES if name in chosen)
