"""The rate network: its equation, its parameters and how they start."""

from collections.abc import Callable
from typing import Literal

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, ArrayLike, Bool, Float, PRNGKeyArray, Real

from ._graph import Graph
from ._integrate import Trajectory, integrate
from ._recurrence import AbstractKernel, kernel_named
from ._solver import Integration

ACTIVATIONS: dict[str, Callable] = {
    "relu": jax.nn.relu,
    "softplus": jax.nn.softplus,
    "tanh": jnp.tanh,
}


class RateNetwork(eqx.Module):
    r"""A recurrent network of rate neurons in continuous time.

    Rate form (default), with time constants $\tau_i$ in ms:

    $$\tau_i\, \dot r_i = -r_i + \varphi\big(\sum_j W_{ij} r_j + (W_{in} u(t))_i + (W_c c)_i + b_i\big)
    + \sigma \sqrt{2 \tau_i}\, \xi_i(t)$$

    Current form: $\tau_i\, \dot x_i = -x_i + \sum_j W_{ij} \varphi(x_j) + \dots$ with $r = \varphi(x)$.
    Readout: $y = W_{out} r + b_{out}$. Only synapses that exist in the graph are parameters. The
    equation is that of Wilson & Cowan (1972) as used by Yang et al. (2019) and Khona et al. (2023).

    !!! example

        ```python
        graph = ctrnn.Locality(density=0.04)(ctrnn.Sheet(16, 16), key=key)
        network = ctrnn.RateNetwork(graph, in_size=33, context_size=132, out_size=17, key=key)
        ```
    """

    weights: Float[Array, " synapses"]
    input_weights: Float[Array, "neurons inputs"]
    context_weights: Float[Array, "neurons context"]
    bias: Float[Array, " neurons"]
    output_weights: Float[Array, "outputs neurons"]
    output_bias: Float[Array, " outputs"]
    log_tau: Float[Array, " neurons"]
    excitatory: Bool[Array, " neurons"] | None
    graph: Graph
    kernel: AbstractKernel
    form: Literal["rate", "current"] = eqx.field(static=True)
    activation: str = eqx.field(static=True)
    noise: float = eqx.field(static=True)
    train_tau: bool = eqx.field(static=True)

    def __init__(
        self,
        graph: Graph,
        in_size: int,
        context_size: int,
        out_size: int,
        *,
        tau: float | Real[np.ndarray, " neurons"] | Real[Array, " neurons"] = 100.0,
        train_tau: bool = False,
        form: Literal["rate", "current"] = "rate",
        activation: str = "relu",
        gain: float = 0.7,
        autapse: float = 0.5,
        excitatory_fraction: float | None = None,
        noise: float = 0.0,
        kernel: str = "auto",
        precision: Literal["float32", "bfloat16"] = "float32",
        key: PRNGKeyArray,
    ):
        """**Arguments:**

        - `graph`: who hears whom, such as `ctrnn.Locality(0.04)(sheet, key=key)`.
        - `in_size`, `context_size`, `out_size`: numbers of inputs, of context (rule) inputs and of
            outputs.
        - `tau`: time constant in ms, one or one per neuron. `train_tau`: learn it (kept positive).
        - `form`: "rate" or "current".
        - `activation`: "relu", "softplus" or "tanh".
        - `gain`: sd of the initial recurrent weights times the square root of the fan-in; about the
            spectral radius of W.
        - `autapse`: initial weight of each neuron's synapse onto itself, where it has one. It gives
            the neuron a memory of its own, of tau / (1 - autapse); an inhibitory neuron under
            Dale's law has the opposite.
        - `excitatory_fraction`: under Dale's law, the fraction of neurons whose synapses all excite;
            the others inhibit. `None`: weights of either sign.
        - `noise`: stationary standard deviation of each neuron's private noise.
        - `kernel`, `precision`: how W r is computed; see [`ctrnn.kernel_named`][].
        - `key`: draws the initial weights.

        **Raises:**

        `ValueError` for an unknown form or activation, a time constant that is not positive, a
        negative noise, or a fraction outside [0, 1].
        """
        if form not in ("rate", "current"):
            raise ValueError(f"form is {form!r}; choose 'rate' or 'current'.")
        if activation not in ACTIVATIONS:
            raise ValueError(
                f"unknown activation {activation!r}; choose one of {', '.join(ACTIVATIONS)}."
            )
        if not np.all(np.asarray(tau) > 0):
            raise ValueError("tau must be positive, in ms; the usual value is 100.")
        if noise < 0:
            raise ValueError(f"noise must not be negative, got {noise}; 0 switches it off.")
        if excitatory_fraction is not None and not 0 <= excitatory_fraction <= 1:
            raise ValueError(
                f"excitatory_fraction must lie in [0, 1], got {excitatory_fraction}; cortex has 0.8."
            )
        n = graph.size
        if np.ndim(tau) and np.shape(tau) != (n,):
            raise ValueError(
                f"tau has shape {np.shape(tau)}; give one number, or one per neuron ({n})."
            )
        w_key, sign_key, in_key, context_key, out_key = jr.split(key, 5)
        fan_in = np.bincount(graph.targets, minlength=n)[graph.targets]
        self.weights = gain * jr.normal(w_key, (graph.sources.shape[0],)) / jnp.sqrt(fan_in)
        if excitatory_fraction is None:
            self.excitatory = None
        else:
            count = round(excitatory_fraction * n)
            self.excitatory = jr.permutation(sign_key, jnp.arange(n) < count)
            if 0 < count < n:  # inhibition is stronger where it is rarer, so that drives cancel
                weaker = jnp.sqrt((n - count) / count)
                scale = jnp.where(self.excitatory, weaker, 1 / weaker)
                self.weights = self.weights * scale[graph.sources]
        self.weights = jnp.where(graph.sources == graph.targets, autapse, self.weights)
        self.input_weights = jr.normal(in_key, (n, in_size)) / np.sqrt(max(in_size, 1))
        self.context_weights = jr.normal(context_key, (n, context_size)) / np.sqrt(
            max(context_size, 1)
        )
        self.bias = jnp.zeros(n)
        self.output_weights = jr.normal(out_key, (out_size, n)) / np.sqrt(n)
        self.output_bias = jnp.zeros(out_size)
        self.log_tau = jnp.broadcast_to(jnp.log(jnp.asarray(tau, self.bias.dtype)), (n,))
        self.graph = graph
        self.kernel = kernel_named(kernel, graph, precision)
        self.form, self.activation = form, activation
        self.noise, self.train_tau = noise, train_tau

    @property
    def size(self) -> int:
        """Number of neurons."""
        return self.graph.size

    @property
    def in_size(self) -> int:
        """Number of inputs."""
        return self.input_weights.shape[1]

    @property
    def context_size(self) -> int:
        """Number of context (rule) inputs."""
        return self.context_weights.shape[1]

    @property
    def out_size(self) -> int:
        """Number of outputs."""
        return self.output_weights.shape[0]

    @property
    def tau(self) -> Float[Array, " neurons"]:
        """Time constants in ms; no gradient flows to them unless `train_tau`."""
        log_tau = self.log_tau if self.train_tau else jax.lax.stop_gradient(self.log_tau)
        return jnp.exp(log_tau)

    @property
    def synaptic_weights(self) -> Float[Array, " synapses"]:
        """W at the synapses that exist, in the order of the graph; signed by Dale's law if it holds."""
        if self.excitatory is None:
            return self.weights
        sign = jnp.where(self.excitatory, 1, -1).astype(self.weights.dtype)
        return jnp.abs(self.weights) * sign[self.graph.sources]

    @property
    def phi(self) -> Callable:
        """The activation, elementwise."""
        return ACTIVATIONS[self.activation]

    def rates(self, state: Float[Array, "*any"]) -> Float[Array, "*any"]:
        """Firing rates of a solver state: the state itself, or phi of it in the current form."""
        return state if self.form == "rate" else self.phi(state)

    def readout(self, rates: Float[Array, "*any neurons"]) -> Float[Array, "*any outputs"]:
        """The outputs of rates, `W_out r + b_out`: [..., outputs] from [..., neurons]."""
        return rates @ self.output_weights.T + self.output_bias

    def __call__(
        self,
        path: diffrax.AbstractPath,
        times: Real[Array | np.ndarray, " time"],
        *,
        context: Float[Array, "*time batch context"] | None = None,
        y0: Float[Array, "batch neurons"] | None = None,
        until: Real[ArrayLike, ""] | None = None,
        integration: Integration | None = None,
        key: PRNGKeyArray | None = None,
    ) -> Trajectory:
        """Solve from `path.t0` and save at `times`; see [`ctrnn.integrate`][]."""
        return integrate(
            self,
            path,
            times,
            context=context,
            y0=y0,
            until=until,
            integration=integration,
            key=key,
        )


def trainable(network: RateNetwork) -> RateNetwork:
    """Which leaves of a network training may change, as a tree of bools for `eqx.partition`.

    All floating-point arrays, but time constants only with `train_tau`: a weight decay would shrink
    them although no gradient does.

    !!! example

        ```python
        parameters, static = eqx.partition(network, ctrnn.trainable(network))
        ```
    """
    spec = jax.tree.map(eqx.is_inexact_array, network)
    return eqx.tree_at(lambda n: n.log_tau, spec, network.train_tau)
