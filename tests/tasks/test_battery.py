"""Names, shapes, noise, and the same trial on different grids."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from drawing import every_task, one_trial

import tasks
from tasks._spec import check_tasks


def same(a: tasks.Trial, b: tasks.Trial) -> bool:
    """Bit for bit, where NaN directions count as equal."""
    pairs = zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)
    return all(jnp.array_equal(x, y, equal_nan=x.dtype.kind == "f") for x, y in pairs)


def test_named_sets():
    sizes = {name: len(tasks.Battery.named(name).names) for name in ("20", "82", "126", "132")}
    assert sizes == {"20": 20, "82": 82, "126": 126, "132": 132}
    assert len(set(tasks.NAMES)) == 132
    assert tasks.NAMES[:3] == ("go", "rtgo", "dlygo")
    assert tasks.NAMES[20:22] == ("dlygointr", "dlygointl")
    assert tasks.NAMES[42] == "goseqr" and tasks.NAMES[62] == "goseql"
    assert all("int" in name and "seq" in name for name in tasks.NAMES[82:126])
    assert all(name.startswith("goint") for name in tasks.NAMES[126:])


@pytest.mark.parametrize(
    "names, selected",
    [
        ("dmsintr,go", ("go", "dmsintr")),
        ("go, go ,go", ("go",)),
        ("dm?", ("dm1", "dm2", "dms", "dmc")),
        ("dlygointseq", ("dlygointrseqr",)),
        ("20,dlygo*", (*tasks.NAMES[:20], *(n for n in tasks.NAMES[20:] if n[:5] == "dlygo"))),
    ],
)
def test_selection(names, selected):
    assert tasks.Battery.select(names).names == selected


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: tasks.Battery.select("dlygointrr"), "did you mean 'dlygointr'"),
        (lambda: tasks.Battery.select("go,xyz*"), "no task is called 'xyz\\*'"),
        (lambda: tasks.Battery.select(" , "), "asks for no task"),
        (lambda: tasks.Battery.named("81"), "the sets are 20, 82, 126, 132"),
        (lambda: tasks.Battery.named("20", dt=30.0), "has to divide 100 ms"),
        (lambda: tasks.Battery.named("20", dt=0.0), "has to divide 100 ms"),
        (lambda: tasks.Battery({}), "at least one task"),
        (lambda: tasks.Battery.named("20").describe("gointr"), "has no task 'gointr'"),
    ],
)
def test_mistakes_in_names_and_steps(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    "fields, message",
    [
        (dict(first=16), "`first` of a spec has to lie in 0 to 15"),
        (dict(second=-1), "`second` of a spec has to lie in 0 to 15"),
        (dict(modality=2), "`modality` of a spec has to lie in 0 to 1"),
        (dict(delay=250), "multiples of dt, 100 ms"),
        (dict(delay=-100), "multiples of dt, 100 ms"),
        (dict(delay=5000), "last at most 3500 ms"),
    ],
)
def test_specs_that_cannot_be(fields, message):
    with pytest.raises(ValueError, match=message):
        one_trial(tasks.Battery.named("132"), "dlydm1intr", **fields)


def test_tasks_that_are_not_there():
    battery = tasks.Battery.named("20")
    for ids in (jnp.array([20]), jnp.array([-1])):
        with pytest.raises(ValueError, match="this battery has tasks 0 to 19"):
            battery.sample(jax.random.key(0), ids)
    with pytest.raises(ValueError, match=r"an array \[batch\]"):
        check_tasks(jnp.zeros((2, 2), int), battery.names)


def test_a_duration_that_a_task_does_not_have_is_ignored():
    battery = tasks.Battery.named("132")
    given, free = (one_trial(battery, "dm1", delay=delay) for delay in (-1, 0))
    assert same(given, free)


def test_shapes():
    battery = tasks.Battery.named("132")
    assert (battery.in_size, battery.out_size, battery.rule_size) == (33, 17, 132)
    assert battery.steps == 35 and tasks.Battery.named("132", tasks.REFERENCE).steps == 34
    trial = battery.batch(jax.random.key(0), 6)
    assert trial.times.tolist() == [100.0 * k for k in range(35)]
    assert trial.inputs.shape == (6, 35, 33) and trial.rule.shape == (6, 132)
    assert trial.labels.shape == trial.mask.shape == (6, 35)
    assert jnp.array_equal(trial.rule.sum(1), jnp.ones(6))


def test_one_key_in_everything_out():
    battery = tasks.Battery.named("132")
    first, again, other = (battery.batch(jax.random.key(seed), 16) for seed in (0, 0, 1))
    assert same(first, again)
    assert not jnp.array_equal(first.inputs, other.inputs)
    inside = jax.jit(lambda key: battery.batch(key, 16))(jax.random.key(0))
    assert same(first, inside)
    argument = eqx.filter_jit(lambda battery, key, ids: battery.sample(key, ids))
    ids = jnp.arange(16)
    drawn = argument(battery, jax.random.key(0), ids)
    assert eqx.tree_equal(drawn, battery.sample(jax.random.key(0), ids))


def test_tasks_are_drawn_evenly_or_by_weight():
    battery = tasks.Battery.select("go*")
    assert battery.rule_size == 9
    drawn = battery.batch(jax.random.key(0), 9000).rule.sum(0)
    assert jnp.all(jnp.abs(drawn - 1000) < 5 * np.sqrt(8000 / 9))
    weights = jnp.zeros(9).at[3].set(1.0).at[7].set(3.0)
    drawn = battery.batch(jax.random.key(0), 9000, weights).rule.sum(0)
    assert drawn.sum() == 9000 == drawn[3] + drawn[7]
    assert abs(int(drawn[7]) - 6750) < 5 * np.sqrt(6750 / 4)


@pytest.mark.parametrize("dt", [50.0, 20.0, 10.0])
def test_the_same_spec_on_another_grid_is_the_same_trial(dt):
    coarse, fine = tasks.Battery.named("132"), tasks.Battery.named("132", dt=dt)
    spec = every_task(coarse, 2)
    a, b = coarse.render(spec), fine.render(spec)
    per_frame = round(100 / dt)
    assert len(b.times) == len(a.times) * per_frame
    assert jnp.array_equal(b.times[::per_frame], a.times)
    assert jnp.array_equal(b.length, a.length * per_frame)
    for name in ("inputs", "labels", "direction", "period", "mask", "decision"):
        repeated = jnp.repeat(getattr(a, name), per_frame, axis=1)
        assert jnp.array_equal(getattr(b, name), repeated, equal_nan=name == "direction"), name


@pytest.mark.parametrize(
    "conventions, dt",
    [(tasks.CORRECTED, 100.0), (tasks.REFERENCE, 100.0), (tasks.CORRECTED, 20.0)],
    ids=["corrected", "reference", "finer grid"],
)
def test_where_and_how_strong_the_noise_is(conventions, dt):
    battery = tasks.Battery.named("20", conventions, dt)
    spec = every_task(battery, 50)
    noisy = np.asarray(battery.render(spec, jax.random.key(0)).inputs)
    clean = battery.render(spec)
    noise = noisy - np.asarray(clean.inputs)
    stimulus = np.isin(clean.period, [1, 3])
    decision = np.array(["dm" in n and n[-1] in "12m" for n in battery.names])[spec.task]
    match = np.array([n in ("dms", "dnms", "dmc", "dnmc") for n in battery.names])[spec.task]
    where = np.zeros(noise.shape, bool)
    where[decision] = stimulus[decision][..., None]
    if not conventions.noisy_fixation:
        where[..., 0] = False
    ring = np.repeat(np.eye(2, dtype=bool)[spec.modality], 16, axis=1)
    where[match, :, 1:] = (stimulus[..., None] & ring[:, None])[match]
    assert np.array_equal(noise != 0, where & (noise != 0))
    drawn = noise[where]
    assert (drawn != 0).mean() > 0.999
    sd = 0.1 * (100 / dt) ** 0.5
    assert abs(drawn.mean()) < 5 * sd / np.sqrt(drawn.size)
    assert abs(drawn.std() / sd - 1) < 5 / np.sqrt(2 * drawn.size)
    kurtosis = np.mean((drawn / sd) ** 4)
    assert abs(kurtosis - 3) < 5 * np.sqrt(96 / drawn.size)


def test_no_noise_is_used_twice():
    battery = tasks.Battery.select("dlydm1,dms,multidm")
    spec = every_task(battery, 40)
    noise = battery.render(spec, jax.random.key(0)).inputs - battery.render(spec).inputs
    values = np.asarray(noise)[np.asarray(noise) != 0]
    drawn = np.asarray(battery.render(spec, jax.random.key(0)).inputs)[..., 1:]
    silent = np.asarray(battery.render(spec).inputs)[..., 1:] == 0
    exact = drawn[silent & (drawn != 0)]
    assert len(values) > 10_000
    # Repeats among single precision normals are rare; a row read twice would repeat 16 at once.
    assert len(np.unique(exact)) > 0.999 * len(exact)


def test_leaves_a_task_out_of_a_batch_unchanged():
    """A trial does not depend on which other tasks the battery has."""
    few, many = tasks.Battery.select("dmsintr"), tasks.Battery.named("132")
    spec = few.sample(jax.random.key(0), jnp.zeros(8, int))
    task = jnp.full(8, many.names.index("dmsintr"))
    a, b = few.render(spec), many.render(dataclasses.replace(spec, task=task))
    assert jnp.array_equal(a.inputs, b.inputs[:, : few.steps])
    assert jnp.array_equal(a.labels, b.labels[:, : few.steps])


def test_rows_make_the_battery_again():
    battery = tasks.Battery.named("132")
    assert battery.rows == dict(tasks.TABLE)
    again = tasks.Battery(battery.rows, conventions=tasks.REFERENCE, dt=50.0)
    assert eqx.tree_equal(again, tasks.Battery.named("132", tasks.REFERENCE, 50.0))


def test_descriptions_tell_the_tasks_apart():
    battery = tasks.Battery.named("132")
    told = [battery.describe(name) for name in battery.names]
    assert {family for family, _ in told} == {"reach", "decision", "match"}
    assert len({sentence for _, sentence in told}) == 132


def test_double_precision(float64):
    trial = tasks.Battery.select("go,dm1,dms").batch(jax.random.key(0), 4)
    assert trial.inputs.dtype == jnp.float64
    assert bool(jnp.isfinite(trial.inputs).all())
