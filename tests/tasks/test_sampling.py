"""What is drawn, and how often. Counts are held to five standard deviations."""

import numpy as np
import pytest
from drawing import COUNT, draws

import tasks

both = pytest.mark.parametrize("conventions", [tasks.CORRECTED, tasks.REFERENCE])


def drawn_evenly(values, allowed):
    values, allowed = np.asarray(values).ravel(), np.asarray(sorted(allowed))
    assert set(values.tolist()) == set(allowed.tolist())
    counts = (values[:, None] == allowed).sum(0)
    p = 1 / len(allowed)
    return np.all(np.abs(counts - len(values) * p) <= 5 * np.sqrt(len(values) * p * (1 - p)))


@both
@pytest.mark.parametrize("name", ["go", "dlyantiintl", "rtgo", "dms", "dnmcintrseql"])
def test_directions_and_rings(name, conventions):
    spec = draws(name, conventions)
    assert drawn_evenly(spec.first, range(16))
    assert drawn_evenly(spec.modality, range(2))
    # Drawn apart from each other.
    assert drawn_evenly(spec.first + 16 * spec.modality, range(32))


@both
@pytest.mark.parametrize("name", ["dm1", "multidm", "ctxdlydm2", "multidlydmintr"])
def test_two_options_are_distinct_and_all_pairs_occur(name, conventions):
    spec = draws(name, conventions)
    pair = np.asarray(spec.first * 16 + spec.second)
    assert drawn_evenly(pair, [i * 16 + j for i in range(16) for j in range(16) if i != j])
    assert drawn_evenly(spec.first_wins, [False, True])


@both
@pytest.mark.parametrize("name", ["ctxdm1", "ctxdm2seqr"])
def test_strengths_at_once(name, conventions):
    coherence = np.asarray(draws(name, conventions).coherence)
    assert np.allclose(coherence.sum(1), 1)
    contrast = np.round(coherence[:, 0] - coherence[:, 1], 2)
    signed = [sign * c for sign in (-1, 1) for c in (0.08, 0.16, 0.32, 0.64)]
    assert drawn_evenly(np.round(contrast * 100), [round(100 * c) for c in signed])
    assert abs(np.mean(np.sign(contrast[:, 0] * contrast[:, 1]))) < 5 / np.sqrt(COUNT)


@both
@pytest.mark.parametrize("name", ["ctxdlydm1", "ctxdlydm2intl"])
def test_strengths_in_turn(name, conventions):
    coherence = np.round(np.asarray(draws(name, conventions).coherence) * 10).astype(int)
    pairs = coherence[:, 0] * 100 + coherence[:, 1]
    assert drawn_evenly(pairs, [a * 100 + b for a in (3, 6, 10) for b in (3, 6, 10) if a != b])


@both
@pytest.mark.parametrize("name, ring", [("dm1", 0), ("dm2seql", 1), ("dlydm1intr", 0)])
def test_one_ring_shows_nothing(name, ring, conventions):
    coherence = np.asarray(draws(name, conventions).coherence)
    assert (coherence[..., ring] > 0).all() and not coherence[..., 1 - ring].any()


@pytest.mark.parametrize("name, count", [("multidm", 8 * 7), ("multidlydm", 6 * 5)])
def test_sums_do_not_tie_and_all_other_pairs_are_drawn_evenly(name, count):
    coherence = np.asarray(draws(name).coherence, float).round(2)
    sums = coherence.sum(-1)
    assert np.abs(sums[:, 0] - sums[:, 1]).min() > 0.01
    _, kind = np.unique(coherence.reshape(-1, 4), axis=0, return_inverse=True)
    assert drawn_evenly(kind, range(count))


@both
@pytest.mark.parametrize("name", ["dms", "dnms", "dmc", "dnmc"])
def test_samples_and_tests(name, conventions):
    spec = draws(name, conventions)
    first, second, match = (np.asarray(x) for x in (spec.first, spec.second, spec.match))
    assert drawn_evenly(match, [False, True])
    if "c" in name:
        assert drawn_evenly(second[match & (first < 8)], range(8))
        assert drawn_evenly(second[~match & (first > 8)], range(8))
        assert drawn_evenly(second[match & (first > 8)], range(8, 16))
        eighth = range(8) if conventions.split_category else range(8, 16)
        assert drawn_evenly(second[match & (first == 8)], eighth)
    else:
        assert np.array_equal(second[match], first[match])
        assert np.array_equal(second[~match], (first[~match] + 8) % 16)


@pytest.mark.parametrize(
    "name, period, allowed",
    [
        ("go", "fixation", [500]),
        ("go", "stimulus", [500]),
        ("dlygo", "delay", [500]),
        ("dlygointr", "delay", range(0, 1101, 100)),
        ("gointlseqr", "stimulus", range(100, 1201, 100)),
        ("dm1", "fixation", [200, 300, 400]),
        ("dlydm2", "delay", [500]),
        ("multidlydmintl", "delay", range(0, 1101, 100)),
        ("dms", "fixation", [300]),
        ("dmc", "delay", range(200, 1101, 100)),
        ("dnmcintr", "delay", range(0, 1101, 100)),
    ],
)
@both
def test_durations(name, period, allowed, conventions):
    if conventions == tasks.REFERENCE and name == "multidlydmintl":
        allowed = [500]  # the public code times no interval in decision tasks
    assert drawn_evenly(getattr(draws(name, conventions), period), allowed)


def test_go_waits_in_the_public_code_alone():
    assert set(np.asarray(draws("go", tasks.REFERENCE).delay)) == {500}
    assert set(np.asarray(draws("go").delay)) == {0}
