"""One model of settings: options, TOML and a checkpoint's header are the same; mistakes are named."""

import json
import typing

import hypothesis.strategies as st
import jax.random as jr
import pydantic
import pytest
from hypothesis import given, settings
from typer.testing import CliRunner

import cli
import ctrnn


def positive(most):
    return st.floats(1e-9, most, allow_subnormal=False)


CHOICES = {
    name: st.sampled_from(typing.get_args(field.annotation))
    for name, field in ctrnn.Config.model_fields.items()
    if typing.get_origin(field.annotation) is typing.Literal
}
FREE = {
    "tasks": st.text(st.characters(codec="utf-8", exclude_characters=":"), max_size=20),
    "neurons": st.sampled_from(["1024", "32x32", "3x7", "1"]),
    "sparsity": positive(1.0),
    "gain": positive(1e6),
    "autapse": st.floats(-1e30, 1e30),
    "tau": positive(1e6),
    "train_tau": st.booleans(),
    "excitatory_fraction": st.none() | st.floats(0, 1),
    "noise": st.floats(0, 1e3),
    "dt": positive(1e3),
    "refine_at": st.floats(0, 1),
    "steps": st.integers(1, 10**9),
    "batch_size": st.integers(1, 10**6),
    "learning_rate": positive(1e3),
    "warmup": st.integers(0, 10**6),
    "clip": positive(1e30),
    "skip_nonfinite": st.integers(0, 100),
    "decision_weight": positive(1e6),
    "focus": st.floats(0, 1),
    "length_classes": st.integers(1, 64),
    "target_accuracy": st.none() | positive(1.0),
    "seed": st.integers(0, 2**32 - 8),
    "seeds": st.integers(1, 8),
    "evaluate_every": st.integers(1, 10**6),
    "evaluation_trials": st.integers(1, 10**4),
}
ROUNDED = ("bfloat16", "gather"), ("bfloat16", "diagonal")  # no matrix products
FITTING = {"dense": "dense", "diagonal": "autapse"}
CONFIGS = (
    st.fixed_dictionaries({}, optional=CHOICES | FREE)
    .filter(lambda s: FITTING.get(s.get("kernel"), s.get("connectivity")) == s.get("connectivity"))
    .filter(lambda s: (s.get("precision"), s.get("kernel")) not in ROUNDED)
)


@settings(max_examples=200, deadline=None)
@given(values=CONFIGS)
def test_settings_survive_toml_and_a_header(tmp_path_factory, values):
    config = ctrnn.Config(**values)
    file = tmp_path_factory.mktemp("toml") / "c.toml"
    file.write_text(config.to_toml(), encoding="utf-8")
    from_toml = ctrnn.Config(**ctrnn.load_config(file))
    header = json.loads(json.dumps(from_toml.model_dump(exclude_none=True)))
    assert ctrnn.Config(**header) == from_toml == config


def test_all_settings_were_tried():
    assert CHOICES.keys() | FREE.keys() == ctrnn.Config.model_fields.keys()


def test_each_setting_in_toml_says_what_it_means(tmp_path):
    result = CliRunner().invoke(cli.app, ["config", "--write", str(tmp_path / "my.toml")])
    assert result.exit_code == 0
    text = (tmp_path / "my.toml").read_text()
    for name, field in ctrnn.Config.model_fields.items():
        (line,) = (x for x in text.splitlines() if x.lstrip("# ").startswith(f"{name} ="))
        assert line.endswith(f"# {field.description}")


@pytest.mark.parametrize(
    "wrong, words",
    [
        (dict(learning_rat=0.1), "did you mean 'learning_rate'?"),
        (dict(zzz=0.1), "unknown setting 'zzz'; the settings are version, tasks,"),
        (dict(sparsity=2), "sparsity = 2: input should be less than or equal to 1"),
        (dict(kernel="gather", precision="bfloat16"), "choose kernel auto, tiles or masked"),
        (dict(version=99, later="x"), "version 99; this ctrnn reads version 1"),
    ],
)
def test_a_mistake_in_a_header_or_a_file_is_a_sentence(tmp_path, wrong, words):
    with pytest.raises(pydantic.ValidationError) as error:
        ctrnn.Config(**wrong)
    assert words in ctrnn.explain(error.value)

    # A checkpoint with such settings in its header, as a later version might write it.
    network = ctrnn.Config(neurons="4x4", sparsity=0.2).network(33, 1, 17, key=jr.key(0))
    ctrnn.save(tmp_path / "m.eqx", network, config=wrong, tasks=("go",))
    result = CliRunner().invoke(cli.app, ["evaluate", str(tmp_path / "m.eqx")])
    assert result.exit_code == 2 and "Traceback" not in result.output
    assert words in " ".join(result.stderr.split())
