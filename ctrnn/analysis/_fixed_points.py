r"""Fixed and slow points of a network whose input is held constant, and rings of them.

Where the flow $\dot y = F(y)$ stands still, or nearly, it can be linearised, and a trial can be read
as a journey between such points: Sussillo & Barak, "Opening the black box", Neural Computation 25(3)
(2013).
"""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optimistix
from jaxtyping import Array, Bool, Complex, Float, Int

from .._network import RateNetwork
from ._state_space import principal_components

_Field = Callable[[Array], Array]


def dense_weights(network: RateNetwork) -> Float[Array, "targets sources"]:
    """W as a matrix, signed by Dale's law if it holds."""
    graph, weights, n = network.graph, network.synaptic_weights, network.size
    return jnp.zeros((n, n), weights.dtype).at[graph.targets, graph.sources].set(weights)


class HeldField(eqx.Module):
    """dy/dt of a network under a constant input, in rates per ms: a function of the state alone.

    !!! example

        ```python
        field = HeldField(network, trial.path("step").evaluate(1200.0)[0], trial.rule[0])
        field(state)  # [neurons]
        ```
    """

    weights: Float[Array, "neurons neurons"]
    drive: Float[Array, " neurons"]
    tau: Float[Array, " neurons"]
    phi: Callable = eqx.field(static=True)
    form: str = eqx.field(static=True)

    def __init__(
        self,
        network: RateNetwork,
        inputs: Float[Array, " inputs"],
        context: Float[Array, " context"] | None = None,
    ):
        """**Arguments:**

        - `network`: the network; its weights are held as a matrix.
        - `inputs`, `context`: the input and the rule that are held.
        """
        self.weights = dense_weights(network)
        self.drive = _drive(network, inputs, context)
        self.tau, self.phi, self.form = network.tau, network.phi, network.form

    def __call__(self, state: Float[Array, " neurons"]) -> Float[Array, " neurons"]:
        if self.form == "rate":
            return (self.phi(self.weights @ state + self.drive) - state) / self.tau
        return (self.weights @ self.phi(state) + self.drive - state) / self.tau


def _drive(network, inputs, context):
    drive = network.bias + network.input_weights @ inputs
    return drive if context is None else drive + network.context_weights @ context


class FixedPoints(eqx.Module):
    """Distinct points at which the flow is slow, the slowest first.

    - `states` [points, neurons]; `speed` [points]: |dy/dt| there, in rates per ms; a fixed point's
      is zero to rounding.
    - `starts` [points]: how many searches ended there.
    - `converged` [points]: whether the search met its tolerance; otherwise its steps ran out, and the
      point is no more than the slowest state that it came to.
    - `gradient` [points]: |JᵀF| / (|J| |F|), at most 1: about 0 at a slow point, where no small move
      slows the flow. At a fixed point both are rounding, and it means nothing.
    """

    states: Float[np.ndarray, "points neurons"]
    speed: Float[np.ndarray, " points"]
    starts: Int[np.ndarray, " points"]
    converged: Bool[np.ndarray, " points"]
    gradient: Float[np.ndarray, " points"]


def _slowest(field: _Field, start: Array, steps: int) -> tuple[Array, Array]:
    """The state near `start` where q = |F|^2 / 2 is least, and whether the search converged."""
    # Time is counted in units of the flow's own at the start, so that the first step, which is down
    # the gradient, has the right size.
    flow, change = jax.jvp(field, (start,), (field(start),))
    still = jnp.sum(change**2) == 0
    unit = jnp.where(
        still, 1.0, jnp.linalg.norm(flow) / jnp.linalg.norm(jnp.where(still, 1.0, change))
    )
    solver = optimistix.LBFGS(rtol=1e-6, atol=1e-12, history_length=20)
    found = optimistix.minimise(
        lambda state, _: 0.5 * jnp.sum((unit * field(state)) ** 2),
        solver,
        start,
        max_steps=steps,
        throw=False,
    )
    return found.value, found.result == optimistix.RESULTS.successful


@eqx.filter_jit
def _slowest_points(field, starts, steps):
    points, converged = jax.vmap(lambda start: _slowest(field, start, steps))(starts)
    return points, jnp.linalg.norm(jax.vmap(field)(points), axis=1), converged


def fixed_points(
    field: _Field, starts: Float[Array, "starts neurons"], *, merge: float = 0.01, steps: int = 2000
) -> FixedPoints:
    """Searches for fixed and slow points of a flow, from many states.

    Each search minimises q(y) = |F(y)|^2 / 2 by L-BFGS, all of them at once. A minimum that is not
    zero is a slow point; `converged` and `gradient` say whether it is one. After Sussillo & Barak
    (2013).

    **Arguments:**

    - `field`: F, from [neurons] to [neurons]: a [`ctrnn.analysis.HeldField`][], or any flow.
    - `starts`: where to search from, such as states that trials visit, and noise.
    - `merge`: points nearer to each other than this fraction of the largest of their norms are one.
    - `steps`: a search ends after so many.

    **Returns:**

    [`ctrnn.analysis.FixedPoints`][].

    !!! example

        ```python
        points = fixed_points(lambda y: jnp.tanh(3 * y) - y, jnp.array([[-1.0], [0.1], [1.0]]))
        points.states  # -0.995, 0, 0.995
        ```
    """
    states, speed, converged = map(np.asarray, _slowest_points(field, starts, steps))
    radius = merge * np.linalg.norm(states, axis=1).max()
    kept: list[int] = []
    count = np.zeros(len(states), int)
    for i in np.argsort(speed, kind="stable"):
        near = [k for k in kept if np.linalg.norm(states[k] - states[i]) <= radius]
        kept += [] if near else [i]
        count[near[0] if near else i] += 1
    gradient = np.array([float(_gradient(field, jnp.asarray(states[i]))) for i in kept])
    return FixedPoints(states[kept], speed[kept], count[kept], converged[kept], gradient)


@eqx.filter_jit
def _gradient(field, state):
    flow, jacobian = field(state), _jacobian(field, state)
    scale = jnp.linalg.norm(flow) * jnp.linalg.norm(jacobian)
    return jnp.where(scale > 0, jnp.linalg.norm(jacobian.T @ flow) / scale, 0.0)


@eqx.filter_jit
def _jacobian(field, state):
    return jax.jacfwd(field)(state)


def eigenvalues(
    field: _Field, states: Float[Array | np.ndarray, "points neurons"]
) -> Complex[np.ndarray, "points neurons"]:
    """Eigenvalues, per ms, of the Jacobian of a flow at some states; the slowest to decay first.

    A perturbation along an eigenvector with eigenvalue λ decays with the time constant -1 / Re λ ms
    (grows, if Re λ > 0) and turns at Im λ / 2π cycles per ms.

    !!! example

        ```python
        tau = -1 / eigenvalues(field, points.states).real  # ms; negative where unstable
        ```
    """

    def spectrum(state):
        J = np.asarray(_jacobian(field, jnp.asarray(state)), np.float64)
        # A neuron that hears nobody or is heard by nobody, as a silent one under relu, has its own
        # eigenvalue on the diagonal; the matrix is smaller without it.
        coupled = J - np.diag(np.diag(J)) != 0
        bound = coupled.any(0) & coupled.any(1)
        values = np.concatenate([np.linalg.eigvals(J[np.ix_(bound, bound)]), np.diag(J)[~bound]])
        return values[np.argsort(-values.real, kind="stable")].astype(complex)

    return np.stack([spectrum(state) for state in states])


@eqx.filter_jit
def follow(
    network: RateNetwork,
    inputs: Float[Array, "points inputs"],
    context: Float[Array, " context"] | None,
    start: Float[Array, " neurons"],
    *,
    steps: int = 2000,
) -> tuple[Float[Array, "points neurons"], Float[Array, " points"]]:
    """Follows a fixed or slow point as the held input changes little by little.

    Natural continuation: the search under each input starts from the point under the last. Under a
    ring of stimuli the points form a closed curve if the network follows the stimulus.

    **Arguments:**

    - `network`, `context`: the network and its rule. `inputs`: the inputs, each near the last.
    - `start`: a state to begin from.

    **Returns:**

    The points [points, neurons] and their speeds [points] in rates per ms.
    """
    held = HeldField(network, inputs[0], context)

    def step(state, now):
        field = eqx.tree_at(lambda f: f.drive, held, _drive(network, now, context))
        state, _ = _slowest(field, state, steps)
        return state, (state, jnp.linalg.norm(field(state)))

    return jax.lax.scan(step, start, inputs)[1]


def _tangents(ring):
    """d state / d angle along a closed curve of states at even angles: per radian."""
    return (jnp.roll(ring, -1, 0) - jnp.roll(ring, 1, 0)) * len(ring) / (4 * np.pi)


@eqx.filter_jit
def slow_ring(
    field: _Field, ring: Float[Array, "points neurons"], *, steps: int = 2000
) -> Float[Array, "points neurons"]:
    """The slowest states near a closed curve of states, none of which slides along it.

    Each state moves only at right angles to the curve, to where |F| is least: on a continuous
    attractor, which imperfections break up into a few fixed points, this is the slow curve that
    joins them. Neighbours may part or pass each other on the way, on a flow that has no such curve:
    ask [`ctrnn.analysis.ring_turns`][]. See Ságodi et al., "Back to the continuous attractor",
    NeurIPS (2024).

    **Arguments:**

    - `field`: the flow. `ring`: states at even angles, such as those that hold 64 directions.

    **Returns:**

    As many states, [points, neurons].
    """

    def slowest(state, tangent):
        tangent = tangent / jnp.linalg.norm(tangent)

        def across(move):
            return state + move - tangent * (tangent @ move)

        move, _ = _slowest(lambda move: field(across(move)), jnp.zeros_like(state), steps)
        return across(move)

    return jax.vmap(slowest)(ring, _tangents(ring))


def ring_turns(ring: Float[Array | np.ndarray, "points neurons"]) -> tuple[int, bool]:
    """Is a closed curve of states a ring? In the plane where it spreads most: how often it goes round
    its middle, and whether its angle never turns back. A tangle can drift little and be no memory.

    !!! example

        ```python
        turns, ordered = ring_turns(slow_ring(field, visited))  # of a ring: 1 or -1, True
        ```
    """
    z = principal_components(np.asarray(ring), 2)(ring) @ np.array([1, 1j])
    steps = np.angle(np.roll(z, -1) * z.conj())
    return round(float(steps.sum()) / (2 * np.pi)), bool((steps > 0).all() or (steps < 0).all())


@eqx.filter_jit
def ring_drift(
    field: _Field, ring: Float[Array, "points neurons"]
) -> tuple[Float[Array, " points"], Float[Array, " points"]]:
    """How the flow moves states along a closed curve of them, and away from it.

    A memory held on the curve drifts at the first rate; without drift the curve is a continuous
    attractor. Compare Burak & Fiete, PNAS 109(43) (2012).

    **Arguments:**

    - `field`: the flow. `ring`: states at even angles.

    **Returns:**

    The drift along the curve [points] in radians per ms, and the speed at right angles to it [points]
    in rates per ms.
    """
    tangent = _tangents(ring)
    flow = jax.vmap(field)(ring)
    along = jnp.sum(flow * tangent, 1) / jnp.sum(tangent**2, 1)
    return along, jnp.linalg.norm(flow - along[:, None] * tangent, axis=1)
