"""Where the runs of a sweep run: processes of this machine, or jobs of a Slurm cluster. By submitit."""

import dataclasses
import json
import math
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from ._battery import Battery
from ._config import Config
from ._folder import open_run
from ._results import on_disk
from ._run import train
from ._terminal import Display, signals
from ._typed_file import atomic_write

_FOREVER = 10**6  # minutes
_MINUTES = 240  # of a Slurm job before it is requeued, unless told otherwise
_REQUEUES = 100
_EVERY = 10  # seconds between questions to a controller that serves a whole cluster


@dataclasses.dataclass(frozen=True)
class Job:
    """What a machine is handed: begin this run, or go on with it from its checkpoint.

    `device` is the CUDA device it may see, as CUDA_VISIBLE_DEVICES has it, None for all; `cores` are the
    processor's cores it may use, none for all.
    """

    run: Path
    battery_of: Callable[[Config], Battery]
    device: str | None = None
    cores: tuple[int, ...] = ()

    def __call__(self) -> None:
        if self.cores:  # before XLA counts them
            os.sched_setaffinity(0, self.cores)
        if os.environ.get("CUDA_VISIBLE_DEVICES") == "":  # so submitit's local executor leaves it
            del os.environ["CUDA_VISIBLE_DEVICES"]
        if self.device is not None:
            os.environ["CUDA_VISIBLE_DEVICES"] = self.device
        received: list[int] = []

        def stop() -> bool:
            return bool(received)

        with signals(received, signal.SIGUSR2):
            config = open_run(self.run)
            battery = self.battery_of(config)
            report = Display(config, battery.dt).show
            while not (stop() or on_disk(self.run).done):
                try:
                    train(config, battery, self.run, report=report, stop=stop)
                    break
                except BlockingIOError:  # an earlier job of this run is still saving
                    time.sleep(1)
        if signal.SIGUSR2 in received and not on_disk(self.run).done:
            signal.raise_signal(signal.SIGUSR2)  # all is saved: submitit's handler requeues

    def checkpoint(self):
        """What submitit puts back into the queue for a job that is preempted or out of time."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)


def _submitit() -> ModuleType:
    # Else its import closes the logging handlers of the whole process and puts its own there.
    os.environ.setdefault("SUBMITIT_LOG_LEVEL", "NOCONFIG")
    try:
        import submitit
    except ImportError as error:
        raise ImportError("a sweep needs submitit: pip install 'ctrnn-jax[cluster]'.") from error
    return submitit


def shares(count: int) -> list[tuple[int, ...]]:
    """The cores that this process may use, dealt to `count` others; none where one cannot choose."""
    if not hasattr(os, "sched_setaffinity"):  # macOS, Windows
        return [()]
    cores = sorted(os.sched_getaffinity(0))
    return [tuple(cores[k % len(cores) :: count]) for k in range(count)]


class Local:
    """Processes of this machine, `at_once` at a time; they stop when the sweep does.

    Each process sees one of the devices that CUDA_VISIBLE_DEVICES names, in turn; all if unset. They
    share the processor's cores, each having its own: small networks gain little from a second core.
    """

    outlives = False

    def __init__(self, folder: Path, at_once: int | None):
        submitit = _submitit()
        self._executor = submitit.LocalExecutor(folder / "jobs")
        self._executor.update_parameters(timeout_min=_FOREVER)
        self._at_once = at_once or 1
        visible = os.environ.get("CUDA_VISIBLE_DEVICES")
        self._devices = visible.split(",") if visible else [None]
        self._shares = shares(self._at_once)
        self._jobs: dict[Path, tuple[Any, Job]] = {}

    def submit(self, runs: Sequence[Path], battery_of: Callable[[Config], Battery]) -> int:
        """Starts as many of these runs, from the first, as there is room for; how many."""
        # Ctrl-C on a terminal reaches all processes, but only the jobs themselves may act on it.
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            started = runs[: self._at_once - len(self.states())]
            for run in started:
                busy = [job for process, job in self._jobs.values() if not process.done()]
                device = min(self._devices, key=[job.device for job in busy].count)
                cores = min(self._shares, key=[job.cores for job in busy].count)
                job = Job(run, battery_of, device, cores)
                self._jobs[run] = self._executor.submit(job), job
        finally:
            signal.signal(signal.SIGINT, before)
        return len(started)

    def states(self) -> dict[Path, str]:
        """The runs that are not over, each with what the executor calls it."""
        return {run: "running" for run, (process, _) in self._jobs.items() if not process.done()}

    def stop(self) -> None:
        """Asks the jobs to save and end."""
        for process, _ in self._jobs.values():
            if not process.done():
                os.kill(int(process.job_id), signal.SIGTERM)  # its controller passes it on

    def log(self, run: Path) -> Path | None:
        return self._jobs[run][0].paths.stderr if run in self._jobs else None


class Slurm:
    """Jobs of a Slurm cluster, one array, which go on in the queue when the sweep ends.

    `options` are submitit's names (partition, account, time in minutes, gpus_per_node, mem, ...)
    or any other of sbatch's.
    """

    outlives = True

    def __init__(self, folder: Path, at_once: int | None, options: Mapping[str, Any]):
        submitit = _submitit()
        if shutil.which("sbatch") is None:
            raise ValueError("there is no Slurm here (no sbatch); choose executor local.")
        self._folder = folder / "jobs"
        self._executor = submitit.SlurmExecutor(self._folder, max_num_timeout=_REQUEUES)
        known = {k: v for k, v in options.items() if k in self._executor._valid_parameters()}
        others = {k: v for k, v in options.items() if k not in known}
        limit = {"array_parallelism": at_once} if at_once else {}
        self._executor.update_parameters(
            **{"time": _MINUTES, "job_name": f"ctrnn-{folder.name}", **limit, **known},
            additional_parameters=others,
        )
        self._register = self._folder / "slurm.json"
        stored = json.loads(self._register.read_text()) if self._register.exists() else {}
        self._ids: dict[Path, str] = {folder / name: number for name, number in stored.items()}
        self._queue: dict[str, str] = {}
        self._asked = -math.inf

    def submit(self, runs: Sequence[Path], battery_of: Callable[[Config], Battery]) -> int:
        """Puts these runs into the queue, those apart that are there already; how many."""
        try:
            with self._executor.batch():
                jobs = {run: self._executor.submit(Job(run, battery_of)) for run in runs}
        except RuntimeError as error:
            raise ValueError(f"Slurm refused the jobs: {str(error).strip()}") from error
        self._ids |= {run: job.job_id for run, job in jobs.items()}
        self._queue |= {job.job_id: "pending" for job in jobs.values()}
        with atomic_write(self._register) as stream:
            stored = {run.name: number for run, number in self._ids.items()}
            stream.write(json.dumps(stored, indent=2).encode())
        return len(runs)

    def states(self) -> dict[Path, str]:
        """The runs that are in the queue, each with what Slurm calls it.

        Asks squeue, since sacct needs an accounting database that small clusters do without; of all
        one's jobs, since it does not know a job's number for long after its end.
        """
        if time.monotonic() - self._asked >= _EVERY:
            command = "squeue --me --array --noheader --format=%i|%T".split()
            asked = subprocess.run(command, capture_output=True, text=True, check=False)
            if asked.returncode == 0:
                self._queue = dict(line.split("|") for line in asked.stdout.splitlines())
            elif self._asked < 0:  # later on it may be away for a moment
                raise ValueError(f"Slurm does not answer: {asked.stderr.strip()}")
            self._asked = time.monotonic()
        queue = self._queue
        return {run: queue[job].lower() for run, job in self._ids.items() if job in queue}

    def stop(self) -> None: ...

    def log(self, run: Path) -> Path | None:
        number = self._ids.get(run)
        return self._folder / f"{number}_0_log.err" if number else None
