"""Figures of runs. Imported on its own: `import ctrnn` does not pay for matplotlib."""

from ._compare import compare_figure as compare_figure
from ._learning import grid_figure as grid_figure
from ._learning import learning_figure as learning_figure
from ._learning import plot_grid as plot_grid
from ._learning import tasks_figure as tasks_figure
from ._network import rates_figure as rates_figure
from ._network import sheet_figure as sheet_figure
from ._network import weights_figure as weights_figure
from ._overview import plot_learning as plot_learning
from ._overview import plot_mask as plot_mask
from ._overview import plot_synapses as plot_synapses
from ._overview import plot_trial as plot_trial
from ._overview import run_figure as run_figure
from ._overview import trial_figure as trial_figure
from ._style import colours as colours
from ._style import write as write
from ._suite import suite as suite
from ._sweep import sweep_figure as sweep_figure
