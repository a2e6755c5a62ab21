from ._battery import Battery as Battery
from ._conventions import (
    Conventions as Conventions,
    CORRECTED as CORRECTED,
    REFERENCE as REFERENCE,
)
from ._decision import Decision as Decision
from ._family import (
    AbstractFamily as AbstractFamily,
    PERIODS as PERIODS,
    Plan as Plan,
    strengths as strengths,
    Timing as Timing,
)
from ._match import Match as Match
from ._path import GridPath as GridPath
from ._reach import Reach as Reach
from ._spec import TrialSpec as TrialSpec
from ._table import NAMES as NAMES, SETS as SETS, TABLE as TABLE
from ._trial import Trial as Trial
