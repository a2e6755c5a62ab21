"""The `ctrnn` command. Parses, calls, prints."""

import dataclasses
import functools
import json
import re
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import equinox as eqx
import numpy as np
import typer
from rich.markup import escape
from rich.table import Table

import ctrnn
import tasks
from ctrnn._options import boundary, fail, with_settings
from ctrnn._places import free_folder, model_file, short_names
from ctrnn._terminal import (
    Display,
    SweepDisplay,
    comparison_table,
    complaints,
    console,
    plain_warnings,
    print_accuracies,
    signals,
)

if TYPE_CHECKING:
    from ctrnn import analysis

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_show_locals=False,
    help="Continuous-time rate networks with local wiring, trained on Mod-Cog tasks.",
)
tasks_app = typer.Typer(no_args_is_help=True, help="The battery: list its tasks, look at one.")
app.add_typer(tasks_app, name="tasks")

Run = Annotated[Path, typer.Argument(help="A run folder, or a checkpoint (.eqx).")]


@app.command()
@with_settings
def train(
    settings: dict[str, Any],
    config: Annotated[
        Path | None,
        typer.Option(help="TOML file of settings; options given here win.", rich_help_panel="Run"),
    ] = None,
    preset: Annotated[
        Literal["default", "tiny", "full"],
        typer.Option(help="Settings to start from.", rich_help_panel="Run"),
    ] = "default",
    out: Annotated[
        Path | None,
        typer.Option(help="The run folder. Default: runs/<name>.", rich_help_panel="Run"),
    ] = None,
    resume: Annotated[
        Path | None,
        typer.Option(help="Go on with the run in this folder.", rich_help_panel="Run"),
    ] = None,
    devices: Annotated[
        str,
        typer.Option(
            help="How many devices share the seeds, or else each batch: a number, or all. A CPU is as "
            "many as you say.",
            rich_help_panel="Run",
        ),
    ] = "1",
    distributed: Annotated[
        bool,
        typer.Option(
            help="This process is one of several that share each batch: started by Slurm or MPI, or "
            "told by JAX_COORDINATOR_ADDRESS, JAX_NUM_PROCESSES and JAX_PROCESS_ID.",
            rich_help_panel="Run",
        ),
    ] = False,
    log: Annotated[
        str,
        typer.Option(help="Also log to: tensorboard, wandb, or both.", rich_help_panel="Run"),
    ] = "",
) -> None:
    """Train a network on a set of tasks and keep the run in a folder."""
    with boundary():
        ctrnn.keep_memory()
        if distributed:
            ctrnn.join_processes()
            console.quiet, devices = not ctrnn.leads(), "all"
            if out is None and resume is None:
                raise ValueError("with --distributed give --out, a folder that all processes see.")
        count = _count(devices)
        if count != "all" and count > 1:
            ctrnn.split_cpu(count)
        if resume:
            if settings or config or out or preset != "default":
                raise ValueError("--resume takes its settings from the run; give no others.")
            chosen, folder = ctrnn.open_run(resume), resume
            done = ctrnn.read_summary(folder)
            if done is not None and done.done:
                console.print(f"{folder}: {done.status} at step {done.step} before; left as it is.")
                return
            battery = _select(chosen.tasks, chosen.conventions)
            mesh = ctrnn.device_mesh(count, chosen)
            sinks = ctrnn.make_sinks(log, folder, chosen)
        else:
            base = ctrnn.PRESETS[preset] | (ctrnn.load_config(config) if config else {})
            chosen = ctrnn.Config(**(base | settings))
            battery = _select(chosen.tasks, chosen.conventions)
            mesh = ctrnn.device_mesh(count, chosen)
            folder = out or free_folder(chosen)
            sinks = ctrnn.make_sinks(log, folder, chosen)
            ctrnn.create_run(folder, chosen, battery)
    console.print(
        f"{len(battery.names)} tasks, {chosen.neurons} neurons, {_wiring(chosen)}, "
        f"{chosen.solver}: {_steps(chosen, battery)}, run in {folder}"
    )
    received: list[int] = []
    try:
        with signals(received), plain_warnings(), Display(chosen, battery.dt) as display:
            summary = ctrnn.train(
                chosen,
                battery,
                folder,
                report=display.show,
                stop=lambda: bool(received),
                mesh=mesh,
                sinks=sinks,
            )
    except (ctrnn.CheckpointError, BlockingIOError) as error:
        fail(str(error), 2)
    except ctrnn.Diverged as error:
        fail(str(error), 1)
    except OSError as error:
        fail(
            f"cannot write in {folder}: {error.strerror or error}. Checkpoints saved before are intact; "
            f"once it can be written, go on by `ctrnn train --resume {folder}`.",
            1,
        )
    print_accuracies(summary.per_task)
    console.print(
        f"{summary.status} at step {summary.step} ({summary.trials:,} trials, {summary.seconds:.0f} s): "
        f"mean decision accuracy {summary.mean_decision_accuracy:.3f}, "
        f"minimum {summary.min_decision_accuracy:.3f}"
    )
    refined = "heun" if chosen.noise else "tsit5"
    one = folder if chosen.seeds == 1 else folder / f"seed-{chosen.seed}"
    console.print(
        f"\nNext:\n  ctrnn evaluate {one} --solver {refined} --rtol 1e-5\n"
        f"  ctrnn plot {folder}\n"
        f"  ctrnn export {one} --format safetensors --out model.safetensors",
        highlight=False,
    )
    if summary.status == "interrupted":
        console.print(f"  ctrnn train --resume {folder}", highlight=False)
        # Of several processes, one may have had no signal of its own.
        raise typer.Exit(128 + (received or [signal.SIGTERM])[0])


@app.command()
@functools.partial(with_settings, listed=True)
def sweep(
    settings: dict[str, str],
    out: Annotated[Path, typer.Option(help="The folder of the sweep.", rich_help_panel="Sweep")],
    seeds: Annotated[
        int,
        typer.Option(
            help="How many seeds, from the preset's or the file's on.",
            min=1,
            rich_help_panel="Sweep",
        ),
    ] = 1,
    executor: Annotated[
        Literal["local", "slurm"], typer.Option(help="Where runs run.", rich_help_panel="Sweep")
    ] = "local",
    jobs: Annotated[
        int | None,
        typer.Option(
            help="Runs at a time. Default: one here, on Slurm as many as it lets.",
            min=1,
            rich_help_panel="Sweep",
        ),
    ] = None,
    slurm: Annotated[
        list[str] | None,
        typer.Option(
            help="KEY=VALUE for the Slurm jobs, repeatable: partition, account, time (minutes), "
            "gpus_per_node, cpus_per_task, mem, any other of sbatch.",
            rich_help_panel="Sweep",
        ),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            help="TOML file of settings; options given here win.", rich_help_panel="Sweep"
        ),
    ] = None,
    preset: Annotated[
        Literal["default", "tiny", "full"],
        typer.Option(help="Settings to start from.", rich_help_panel="Sweep"),
    ] = "default",
) -> None:
    """Train every combination of settings, a run each; the same command again goes on.

    Each setting takes a comma-separated list (`--sparsity 0.01,0.04 --neurons 16x16,32x32`; `none`
    for one that is off), except `--tasks`, which is one value: a list of tasks is one set.
    """
    import jax

    import cli  # jobs find what they are handed under this name, also after `python -m cli`

    jax.config.update("jax_platforms", "cpu")  # here; accelerators are for the runs
    with boundary():
        base = ctrnn.PRESETS[preset] | (ctrnn.load_config(config) if config else {})
        vary: dict[str, list[Any]] = {k: _values(k, text) for k, text in settings.items()}
        if "seed" not in vary:
            shared = ctrnn.Config(**base)
            vary["seed"] = list(range(shared.seed, shared.seed + max(seeds, shared.seeds)))
        elif seeds > 1:
            raise ValueError("give --seeds or --seed, not both.")
        runs = ctrnn.combinations(base, vary)
        options = dict(_pair(text) for text in slurm or ())
        received: list[int] = []
        with signals(received), SweepDisplay() as display:
            states = ctrnn.sweep(
                runs,
                out,
                cli._battery_of,
                executor=executor,
                at_once=jobs,
                slurm=options,
                report=display.show,
                stop=lambda: bool(received),
            )
    console.print(f"\nresults in {out}/results.csv and results.parquet", highlight=False)
    console.print(f"Next:\n  ctrnn plot {out}", highlight=False)
    if received:
        console.print("the same command goes on with what is not finished", highlight=False)
        raise typer.Exit(128 + received[0])
    undone = {name: run for name, run in states.items() if not run.seen.done}
    for name, run in undone.items():
        complaints.print(f"{name} {run.state}: {run.last_words}\n  {run.log}", markup=False)
    if undone:
        fail(f"{len(undone)} of {len(runs)} runs are not finished.", 1)


@app.command()
def evaluate(
    run: Run,
    solver: Annotated[
        str | None,
        typer.Option(help=f"Another solver: {', '.join(ctrnn.SOLVERS)}."),
    ] = None,
    dt: Annotated[float | None, typer.Option(help="Another step, in ms.")] = None,
    rtol: Annotated[
        float | None,
        typer.Option(help="Relative tolerance: an adaptive step."),
    ] = None,
    atol: Annotated[float | None, typer.Option(help="Absolute tolerance; as rtol.")] = None,
    trials: Annotated[int, typer.Option(help="Held-out trials per task.", min=1)] = 32,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Decision accuracy per task on held-out trials, with any solver."""
    with boundary():
        ctrnn.keep_memory()
        network, config, battery = _trained(run)
        integration = ctrnn.Integration(
            solver=solver or config.solver,
            dt=config.dt if dt is None else dt,
            rtol=rtol,
            atol=atol,
        )
        ctrnn.check_grid(battery, integration)
        if network.noise and rtol is not None and solver not in ("heun", "midpoint"):
            raise ValueError(
                "this network has private noise, which an adaptive step carries with heun or "
                "midpoint; choose one of these, or leave --rtol out."
            )
    measure = ctrnn.make_evaluation(
        battery,
        trials_per_task=trials,
        integration=integration,
        key=ctrnn.keys(config.seed).held_out,
    )
    try:
        result = ctrnn.accuracies(battery.names, measure(network))
    except eqx.EquinoxRuntimeError as error:
        said = re.search("EquinoxRuntimeError: (.+)", str(error))
        reason = said[1] if said else str(error).strip().splitlines()[-1]
        fail(f"the solve failed: {reason} (A larger --rtol asks for less.)", 1)
    if as_json:
        print(json.dumps(result))
        return
    print_accuracies(result["per_task"])
    console.print(
        f"mean decision accuracy {result['mean_decision_accuracy']:.3f}, "
        f"minimum {result['min_decision_accuracy']:.3f} ({trials} trials per task, "
        f"{integration.solver}, {f'rtol {rtol:g}' if rtol else f'{integration.dt:g} ms'})"
    )


@app.command()
def export(
    run: Run,
    out: Annotated[Path, typer.Option(help="The file to write.")],
    form: Annotated[
        Literal["eqx", "safetensors", "npz"], typer.Option("--format", help="Its format.")
    ] = "safetensors",
) -> None:
    """Write a trained network for other programs."""
    with boundary():
        network, header = ctrnn.load(model_file(run))
        files = ctrnn.export(
            out,
            network,
            form,
            config=header.config,
            tasks=header.tasks,
            provenance=header.provenance,
        )
    console.print("wrote " + ", ".join(map(str, files)))


@app.command("inspect")
def inspect_(run: Run) -> None:
    """The typed tree of a checkpoint: path, shape, dtype, bytes, mean and sd."""
    with boundary():
        header, arrays = ctrnn.read_arrays(model_file(run))
    table = Table("path", "shape", "dtype")
    for column in ("bytes", "mean", "sd"):
        table.add_column(column, justify="right")
    for leaf in header.leaves:
        x = np.asarray(arrays[leaf.path], np.float64)
        moments = (f"{x.mean():.4g}", f"{x.std():.4g}") if x.size else ("", "")
        shape = " x ".join(map(str, leaf.shape))
        table.add_row(leaf.path, shape, leaf.dtype, f"{leaf.bytes:,}", *moments)
    console.print(table)
    total = sum(leaf.bytes for leaf in header.leaves)
    about = ", ".join(f"{k} {v}" for k, v in header.network.items())
    console.print(f"format {header.format}, ctrnn-jax {header.library}, {total:,} bytes\n{about}")


@app.command()
def plot(
    run: Annotated[Path, typer.Argument(help="The folder of a run or of a sweep.")],
    out: Annotated[Path | None, typer.Option(help="A folder. Default: RUN/figures.")] = None,
    task: Annotated[str | None, typer.Option(help="The task of the trial shown.")] = None,
) -> None:
    """Draw a run, PNG and SVG: learning, tasks, the sheet, weights, rates, a trial. Or a sweep."""
    from ctrnn import plotting

    with boundary():
        whole = (run / "sweep.json").exists()
        if whole and task:
            raise ValueError("--task is of a run; name one of the sweep's.")
        figures = _sweep_figures(run) if whole else _run_figures(run, task)
        files = plotting.write(figures, out or run / "figures")
    console.print("wrote " + ", ".join(map(str, files)), highlight=False)


def _run_figures(run: Path, task: str | None) -> dict[str, Any]:
    from ctrnn import plotting

    curves, first = ctrnn.read_curves(run), ctrnn.replicates(run)[0]
    subject, config = _subject(first)
    tasks_of = _battery_of(config)
    name = task or tasks_of.names[0]
    if name not in tasks_of.names:
        raise ValueError(f"{run} was not trained on {name!r}; see `ctrnn tasks list`.")
    families = {task: tasks_of.describe(task)[0] for task in tasks_of.names}
    return plotting.suite(subject, ctrnn.read_metrics(first), curves, families, name)


def _sweep_figures(folder: Path) -> dict[str, Any]:
    from ctrnn import plotting

    seen = [run for run in ctrnn.sweep_runs(folder) if ctrnn.on_disk(run).per_task]
    if not seen:
        raise ValueError(f"no run of {folder} has been evaluated yet; wait for the first.")
    runs = {run.name: (ctrnn.open_run(run), ctrnn.read_curves(run)) for run in seen}
    return {"sweep": plotting.sweep_figure(runs)}


@app.command()
def compare(
    runs: Annotated[list[Path], typer.Argument(help="Two run folders or more.")],
    out: Annotated[Path, typer.Option(help="The folder of the figure.")] = Path("comparison"),
) -> None:
    """Runs side by side: what differs, a table and a figure of learning and of last accuracies."""
    from ctrnn import plotting

    with boundary():
        runs = list({run.resolve(): run for run in runs}.values())
        if len(runs) < 2:
            raise ValueError("give two runs or more.")
        names = short_names(runs)
        curves = {name: ctrnn.read_curves(run) for name, run in names.items()}
        first = {name: ctrnn.replicates(run)[0] for name, run in names.items()}
        differ = ctrnn.differences({name: ctrnn.open_run(run) for name, run in first.items()})
        synapses = {n: ctrnn.load(model_file(run))[0].graph.synapses for n, run in first.items()}
        files = plotting.write({"comparison": plotting.compare_figure(curves)}, out)
    console.print(comparison_table(curves, differ, synapses))
    console.print("wrote " + ", ".join(map(str, files)), highlight=False)


@app.command()
def analyse(
    run: Run,
    out: Annotated[Path | None, typer.Option(help="The folder. Default: analysis/ in RUN.")] = None,
    against: Annotated[
        list[Path] | None,
        typer.Option(help="Another run on the same tasks, to compare with; may be given again."),
    ] = None,
) -> None:
    """Look inside a trained network: figures, analysis.json and one page, report.html."""
    with boundary():
        ctrnn.keep_memory()
        subject, config = _subject(run)
        others = {}
        for other in against or []:
            others[str(other)], its = _subject(other)
            if (its.tasks, its.conventions) != (config.tasks, config.conventions):
                raise ValueError(
                    f"{other} was trained on other tasks than {run}; compare like runs."
                )
        out = out or model_file(run).parent / "analysis"
        out.mkdir(parents=True, exist_ok=True)
    from ctrnn import analysis

    about = {
        "tasks": len(subject.battery.names),
        "neurons": subject.network.size,
        "wiring": _wiring(config),
        "solver": f"{config.solver}, {config.dt:g} ms",
        "seed": config.seed,
        "ctrnn": ctrnn.__version__,
    }
    marks = {"done": "[green]done[/green]", "skipped": "skipped", "failed": "[red]failed[/red]"}

    def show(part: analysis.Part) -> None:
        why = f": {escape(part.reason)}" if part.reason else ""
        console.print(
            f"  {part.name:<14} {marks[part.status]}, {part.seconds:.0f} s{why}", highlight=False
        )

    subject = dataclasses.replace(subject, others=others)
    with console.status(f"looking into {run} ..."):
        parts = analysis.analyse(
            subject, out, title=f"Inside {run.resolve().name}", about=about, report=show
        )
    console.print(f"wrote {out / 'report.html'}", highlight=False)
    if any(part.status == "failed" for part in parts):
        raise typer.Exit(1)


@app.command("config")
def config_(
    write: Annotated[Path, typer.Option(help="Where to write the settings.")],
    preset: Annotated[
        Literal["default", "tiny", "full"], typer.Option(help="Settings to start from.")
    ] = "default",
) -> None:
    """Write all settings to a TOML file, each with what it means."""
    with boundary():
        if write.exists():
            raise ValueError(f"{write} exists; choose another file.")
        write.write_text(ctrnn.Config(**ctrnn.PRESETS[preset]).to_toml())
    console.print(f"wrote {write}")


@tasks_app.command("list")
def list_(
    names: Annotated[str, typer.Argument(help="Set, names and globs, or module:battery.")] = "132",
) -> None:
    """The tasks, grouped by family, and what each asks."""
    with boundary():
        battery = _select(names)
    table = Table("task", "family", "what it asks")
    family = None
    about = {name: battery.describe(name) for name in battery.names}
    families = list(dict.fromkeys(kind for kind, _ in about.values()))
    for name in sorted(about, key=lambda name: families.index(about[name][0])):
        its_family, asks = about[name]
        table.add_row(name, its_family if its_family != family else "", asks)
        family = its_family
    console.print(table)
    console.print(f"{len(battery.names)} tasks")


@tasks_app.command("show")
def show(
    name: Annotated[str, typer.Argument(help="A task, such as dlygointr.")],
    own: Annotated[
        str | None,
        typer.Option("--tasks", help="Your own battery that has it, module:battery."),
    ] = None,
    plot: Annotated[Path | None, typer.Option(help="Draw a trial to this file.")] = None,
    conventions: Annotated[
        Literal["corrected", "reference"], typer.Option(help="Labels and timings.")
    ] = "corrected",
    seed: Annotated[int, typer.Option(help="Which trial.", min=0)] = 0,
) -> None:
    """What one task asks, and a trial of it."""
    import jax.numpy as jnp
    import jax.random as jr

    with boundary():
        battery = _select(own or name, conventions)
        if not own and len(battery.names) > 1:
            raise ValueError(f"{name} is {len(battery.names)} tasks; name one of them.")
        shown = name if own else next(iter(battery.names))
        family, asks = battery.describe(shown)
    spec_key, noise_key = jr.split(jr.key(seed))
    spec = battery.sample(spec_key, jnp.array([battery.names.index(shown)]))
    trial = battery.render(spec, noise_key)
    console.print(f"[bold]{shown}[/bold] ({family}): {asks}")
    periods = np.asarray(trial.period[0])
    for i, period in enumerate(tasks.PERIODS):
        if (periods == i).any():
            frames = np.flatnonzero(periods == i)
            start, end = frames[0] * trial.dt, (frames[-1] + 1) * trial.dt
            labels = np.asarray(trial.labels[0, frames])
            console.print(f"  {start:5.0f} - {end:5.0f} ms  {period:<9} labels {labels.tolist()}")
    if plot:
        with boundary():
            tasks.plot_trial(trial, 0, battery).savefig(plot, dpi=150)
        console.print(f"wrote {plot}")


def _values(setting: str, text: str) -> list[str | None]:
    if setting == "tasks":
        return [text]
    return [None if value == "none" else value for value in map(str.strip, text.split(","))]


def _pair(text: str) -> tuple[str, int | str]:
    key, equals, value = text.partition("=")
    if not (key and equals):
        raise ValueError(f"--slurm takes KEY=VALUE, such as partition=gpu, not {text!r}.")
    return key, int(value) if value.isdecimal() else value


def _trained(run: Path) -> tuple[ctrnn.RateNetwork, ctrnn.Config, tasks.Battery]:
    network, header = ctrnn.load(model_file(run))
    if not header.config:
        raise ValueError(f"{run} does not say how it was trained; give a run.")
    config = ctrnn.Config(**header.config)
    battery = _select(config.tasks, config.conventions)
    if battery.names != header.tasks:
        raise ValueError(f"{run} was trained on other tasks than {config.tasks} now means.")
    return network, config, battery


def _subject(run: Path) -> "tuple[analysis.Subject, ctrnn.Config]":
    import jax.random as jr

    from ctrnn import analysis

    network, config, battery = _trained(run)
    key, size = ctrnn.keys(config.seed), len(battery.names)
    untrained = config.network(battery.in_size, size, battery.out_size, key=key.network)
    asked = jr.fold_in(key.held_out, 1)
    return analysis.Subject(network, untrained, battery, config.integration(), asked), config


_CONVENTIONS = {"corrected": tasks.CORRECTED, "reference": tasks.REFERENCE}


@functools.cache
def _select(names: str, conventions: str = "corrected") -> tasks.Battery:
    if ":" in names:
        return tasks.load(names)
    return tasks.Battery.select(names, conventions=_CONVENTIONS[conventions])


def _battery_of(config: ctrnn.Config) -> tasks.Battery:
    return _select(config.tasks, config.conventions)


def _wiring(config: ctrnn.Config) -> str:
    if config.connectivity in ("autapse", "dense"):
        return config.connectivity
    return f"{config.connectivity} with {config.sparsity:.3g} of all synapses"


def _steps(config: ctrnn.Config, battery: tasks.Battery) -> str:
    fine = f"{config.dt:g} ms"
    if config.refine_at == 0 or config.dt == battery.dt:
        return fine
    return f"{battery.dt:g} ms, then {fine} from step {config.refine_at * config.steps:.0f}"


def _count(devices: str) -> int | Literal["all"]:
    if devices != "all" and not devices.isdecimal():
        raise ValueError(f"--devices takes a number or all, not {devices!r}.")
    return "all" if devices == "all" else int(devices)


if __name__ == "__main__":
    app()
