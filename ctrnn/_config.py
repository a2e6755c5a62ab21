"""The settings of a run: one model behind the command's options, config.toml and checkpoint headers."""

import json
from typing import Annotated, Any, Literal

import jax.random as jr
import optax
import pydantic
from jaxtyping import PRNGKeyArray
from pydantic import Field

from ._connectivity import AbstractConnectivity, Autapse, Dense, Locality, RandomSparse, Rewired
from ._network import RateNetwork
from ._solver import Integration
from ._space import Sheet, sheet_shape
from ._train import warmup_cosine

VERSION = 1

PRESETS: dict[str, dict[str, Any]] = {
    "default": {},
    "tiny": dict(
        tasks="go,dlygo,dlyanti,dm1,dms,dlygointr,goseqr",
        neurons="12x12",
        sparsity=0.1,
        steps=2000,
        learning_rate=8e-3,
        length_classes=1,
    ),
    "full": dict(
        solver="bosh3", steps=36000, refine_at=0.85, length_classes=1, evaluate_every=1500
    ),
}
"""Settings to start from, by name."""

_WIRING = {"locality": Locality, "random": RandomSparse, "rewired": Rewired}


def _field(panel: str, help: str, default: Any, **limits: Any) -> Any:
    return Field(default, description=help, json_schema_extra={"panel": panel}, **limits)


class Config(pydantic.BaseModel):
    """All that decides the outcome of a run. The field names are the command's options.

    !!! example

        ```python
        config = ctrnn.Config(tasks="20", neurons="16x16", steps=500)
        Path("my.toml").write_text(config.to_toml())
        ```

    **Raises:**

    `pydantic.ValidationError` naming the field, what it got and what is allowed.
    """

    model_config = pydantic.ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, coerce_numbers_to_str=True
    )

    version: Annotated[Literal[1], Field(description="Version of this list of settings.")] = VERSION
    tasks: str = _field(
        "Tasks", "Set (20, 82, 126, 132), names and globs, or module:battery.", "132"
    )
    conventions: Literal["corrected", "reference"] = _field(
        "Tasks", "Labels and timings: corrected, or as the public code has them.", "corrected"
    )
    neurons: str = _field("Network", "How many neurons: 1024, or a sheet such as 32x32.", "32x32")
    connectivity: Literal["locality", "random", "rewired", "autapse", "dense"] = _field(
        "Network", "Who hears whom.", "locality"
    )
    sparsity: float = _field(
        "Network", "Fraction of all possible synapses PRESENT.", 0.04, gt=0, le=1
    )
    form: Literal["rate", "current"] = _field("Network", "Form of the equation.", "rate")
    activation: Literal["relu", "softplus", "tanh"] = _field("Network", "Rate function.", "relu")
    gain: float = _field("Network", "Initial spectral radius, about.", 0.7, gt=0)
    autapse: float = _field("Network", "Initial weight of autapses.", 0.5)
    tau: float = _field("Network", "Time constant in ms.", 100.0, gt=0)
    train_tau: bool = _field("Network", "Learn a time constant per neuron.", False)
    excitatory_fraction: float | None = _field(
        "Network", "Dale's law: the fraction of neurons that excite.", None, ge=0, le=1
    )
    noise: float = _field("Network", "Stationary sd of private noise.", 0.0, ge=0)
    kernel: Literal["auto", "dense", "masked", "gather", "tiles", "diagonal"] = _field(
        "Network", "How W r is computed; auto picks by measurement.", "auto"
    )
    precision: Literal["float32", "bfloat16"] = _field(
        "Network", "Of the products W r; bfloat16 is for large networks on accelerators.", "float32"
    )
    solver: Literal[
        "euler", "exponential-euler", "heun", "midpoint", "bosh3", "tsit5", "dopri5"
    ] = _field("Solve", "ODE solver, by name.", "heun")
    dt: float = _field(
        "Solve", "Step of the solve in ms; divides the battery's 100 ms.", 50.0, gt=0
    )
    refine_at: float = _field(
        "Solve", "Until this fraction of training, one step per frame; then dt.", 0.8, ge=0, le=1
    )
    steps: int = _field("Training", "Optimiser steps.", 10500, ge=1)
    batch_size: int = _field("Training", "Trials per step.", 64, ge=1)
    learning_rate: float = _field("Training", "Peak learning rate of Adam.", 5e-3, gt=0)
    warmup: int = _field("Training", "Steps of linear warm-up; a cosine decay follows.", 100, ge=0)
    clip: float = _field("Training", "Largest gradient norm; larger ones are scaled.", 1.0, gt=0)
    skip_nonfinite: int = _field(
        "Training", "Updates to skip in a row if loss or gradient is not finite.", 0, ge=0
    )
    decision_weight: float = _field("Training", "Loss weight of decision frames.", 1.0, gt=0)
    focus: float = _field(
        "Training", "Fraction of trials drawn by each task's error.", 0.5, ge=0, le=1
    )
    length_classes: int = _field(
        "Training", "Classes of trial length, trained on in turn; 1 mixes all lengths.", 8, ge=1
    )
    target_accuracy: float | None = _field(
        "Training", "Stop at this mean decision accuracy.", None, gt=0, le=1
    )
    seed: int = _field(
        "Training", "The one seed; everything drawn follows from it.", 0, ge=0, lt=2**32
    )
    seeds: int = _field(
        "Training", "Networks to train together, of this seed and those after it.", 1, ge=1
    )
    evaluate_every: int = _field("Training", "Steps between evaluations.", 250, ge=1)
    evaluation_trials: int = _field("Training", "Held-out trials per task.", 8, ge=1)

    @pydantic.model_validator(mode="before")
    @classmethod
    def _check_version(cls, settings: Any) -> Any:
        found = settings.get("version", VERSION) if isinstance(settings, dict) else VERSION
        if found != VERSION:
            raise ValueError(
                f"these settings are of version {found}; this ctrnn reads version {VERSION}"
            )
        return settings

    @pydantic.field_validator("neurons")
    @classmethod
    def _check_neurons(cls, value: str) -> str:
        sheet_shape(value)
        return value

    @pydantic.model_validator(mode="after")
    def _check_solve(self) -> "Config":
        self.integration()
        for kernel, wiring in (("dense", "dense"), ("diagonal", "autapse")):
            if self.kernel == kernel and self.connectivity != wiring:
                raise ValueError(
                    f"the {kernel} kernel needs connectivity {wiring}, not {self.connectivity}; "
                    "choose kernel auto, masked, gather or tiles"
                )
        if self.precision == "bfloat16" and self.kernel in ("gather", "diagonal"):
            raise ValueError(
                f"precision bfloat16 is for matrix products, and kernel {self.kernel} makes none; "
                "choose kernel auto, tiles or masked"
            )
        if self.seed + self.seeds > 2**32:
            raise ValueError(f"seed {self.seed} has no {self.seeds} seeds from it on below 2**32")
        if self.conventions == "reference" and ":" in self.tasks:
            raise ValueError("a battery of your own brings its own conventions; leave them out")
        return self

    def due(self, step: int) -> bool:
        """Whether the network is evaluated after this step, however often the run is interrupted.

        !!! example

            ```python
            ctrnn.Config(steps=25, evaluate_every=10).due(25)  # True
            ```
        """
        return step == self.steps or (step > 0 and step % self.evaluate_every == 0)

    def replicates(self) -> list["Config"]:
        """The settings of each of the networks trained together, as of runs of their own.

        !!! example

            ```python
            [one.seed for one in ctrnn.Config(seed=3, seeds=2).replicates()]  # [3, 4]
            ```
        """
        seeds = range(self.seed, self.seed + self.seeds)
        return [self.model_copy(update={"seed": seed, "seeds": 1}) for seed in seeds]

    def sheet(self) -> Sheet:
        """Where the neurons are: a periodic [`ctrnn.Sheet`][] with the rows and columns of `neurons`.

        !!! example

            ```python
            ctrnn.Config(neurons="1024").sheet().shape  # (32, 32)
            ```
        """
        return Sheet(*sheet_shape(self.neurons))

    def wiring(self) -> AbstractConnectivity:
        """Who hears whom: the connectivity named, with the density `sparsity` if it takes one.

        !!! example

            ```python
            graph = config.wiring()(config.sheet(), key=key)
            ```
        """
        if self.connectivity in _WIRING:
            return _WIRING[self.connectivity](self.sparsity)
        return Autapse() if self.connectivity == "autapse" else Dense()

    def network(
        self, in_size: int, context_size: int, out_size: int, *, key: PRNGKeyArray
    ) -> RateNetwork:
        """The untrained [`ctrnn.RateNetwork`][] of these settings.

        **Arguments:**

        - `in_size`, `context_size`, `out_size`: numbers of inputs, tasks and outputs, as the
            battery has them.
        - `key`: draws the graph and the initial weights.

        !!! example

            ```python
            key = ctrnn.keys(config.seed).network
            network = config.network(battery.in_size, 132, battery.out_size, key=key)
            ```
        """
        graph_key, weight_key = jr.split(key)
        return RateNetwork(
            self.wiring()(self.sheet(), key=graph_key),
            in_size,
            context_size,
            out_size,
            tau=self.tau,
            train_tau=self.train_tau,
            form=self.form,
            activation=self.activation,
            gain=self.gain,
            autapse=self.autapse,
            excitatory_fraction=self.excitatory_fraction,
            noise=self.noise,
            kernel=self.kernel,
            precision=self.precision,
            key=weight_key,
        )

    def integration(self, dt: float | None = None) -> Integration:
        """How a run of these settings is solved.

        **Arguments:**

        - `dt`: another step than `config.dt`, in ms.

        !!! example

            ```python
            network(path, times, context=trial.rule, integration=config.integration())
            ```
        """
        return Integration(solver=self.solver, dt=dt or self.dt)

    def optimiser(self) -> optax.GradientTransformation:
        """What updates the weights.

        Adam (Kingma & Ba, 2015) on gradients clipped to a norm of `clip`, its rate by
        [`ctrnn.warmup_cosine`][]; in `optax.apply_if_finite` if updates may be skipped.

        !!! example

            ```python
            state = ctrnn.start_training(network, config.optimiser(), 132, key=key)
            ```
        """
        schedule = warmup_cosine(self.learning_rate, self.warmup, self.steps)
        # Adam with a short memory of squared gradients: a batch shows half of the tasks, in turn.
        adam = optax.adam(schedule, b2=0.95)
        chain = optax.chain(optax.clip_by_global_norm(self.clip), adam)
        return optax.apply_if_finite(chain, self.skip_nonfinite) if self.skip_nonfinite else chain

    def to_toml(self) -> str:
        """These settings as TOML, each with what it means beside it.

        **Returns:**

        The text of a config file; `Config(**ctrnn.load_config(file))` are the same settings.

        !!! example

            ```python
            Path("my.toml").write_text(ctrnn.Config(tasks="20").to_toml(), encoding="utf-8")
            ```
        """
        lines, panel = [], ""
        for name, field in type(self).model_fields.items():
            extra = field.json_schema_extra
            new = str(extra["panel"]) if isinstance(extra, dict) else ""
            if new != panel:
                lines += ["", f"# {new}"]
                panel = new
            value = getattr(self, name)
            text = "" if value is None else _toml_value(value)
            line = f"{name} = {text}" if text else f"# {name} ="
            lines.append(f"{line:<36}# {field.description}")
        return "\n".join(lines).strip() + "\n"


def _toml_value(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return repr(value)
