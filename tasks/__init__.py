from ._battery import Battery as Battery
from ._conventions import (
    CORRECTED as CORRECTED,
)
from ._conventions import (
    REFERENCE as REFERENCE,
)
from ._conventions import (
    Conventions as Conventions,
)
from ._decision import Decision as Decision
from ._family import (
    PERIODS as PERIODS,
)
from ._family import (
    AbstractFamily as AbstractFamily,
)
from ._family import (
    Plan as Plan,
)
from ._family import (
    Timing as Timing,
)
from ._family import (
    strengths as strengths,
)
from ._load import load as load
from ._match import Match as Match
from ._numpy import NumpyBatches as NumpyBatches
from ._path import GridPath as GridPath
from ._plot import plot_trial as plot_trial
from ._reach import Reach as Reach
from ._spec import TrialSpec as TrialSpec
from ._table import NAMES as NAMES
from ._table import SETS as SETS
from ._table import TABLE as TABLE
from ._trial import Trial as Trial
