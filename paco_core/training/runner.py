"""``paco train``: one loop for every task, that can be stopped at any moment and goes on where it was."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from paco_core.errors import BadInput, PacoError, error_text
from paco_core.files import sweep
from paco_core.lock import FolderLock
from paco_core.nets.memory import memory_is_full
from paco_core.nets.weights import load_weights
from paco_core.progress import Progress, silent
from paco_core.training import log as runlog
from paco_core.training.checkpoint import CHECKPOINT, read_checkpoint, write_checkpoint
from paco_core.training.memory import room_for
from paco_core.training.options import EVERY_MINUTES, Settings, TrainOptions, choose_device, settle, task_options
from paco_core.training.recipe import with_recipe
from paco_core.training.results import TrainingResult, finish, finished_before, look
from paco_core.training.schedule import Budget
from paco_core.training.stopping import StopRequest
from paco_core.training.task import Task, TaskInputs
from paco_core.training.tasks import find_task
from paco_core.training.team import Team, processes
from paco_core.training.trainer import StepReport, Trainer

log = logging.getLogger(__name__)

LOG_EVERY = 20
"""Steps per line of the log: a line every second or two, with tiny networks as with large ones."""
STAGE = "train"


class TrainingFailed(PacoError):
    """The loss is not a number, again and again."""


def train(
    name: str, options: TrainOptions, *, progress: Progress = silent, clock: Callable[[], float] = time.monotonic
) -> TrainingResult:
    """Train the task of that name, or go on with it, until its budget is spent.

    Writes into ``options.out``: ``state.pt`` (checkpoint), ``log.jsonl``, ``samples/*.png`` and, in the end,
    ``weights.safetensors`` (averaged, half precision) and ``figures.json``. Raises ``BadInput`` for what can't be used or
    does not fit the run in the folder, ``TrainingFailed`` when the loss stays not a number, ``MemoryFull`` when a step finds
    no room, and ``KeyboardInterrupt`` after Ctrl-C or SIGTERM, when the checkpoint is written.

    Where a launcher started several processes, each calls this with the same options and a folder that all can read; the
    main one alone writes, and its result alone has figures.
    """
    maker = find_task(name)
    options = with_recipe(options)
    settings = settle(name, options, maker.defaults, choose_device(options.device), processes())
    if _before(settings, options.out) is not None and (result := finished_before(options.out)) is not None:
        return result
    team = Team(precision=settings.precision, device=settings.device)
    with room_for(settings):
        task: Task = maker(TaskInputs(options.packs, options.held_out, team.device, settings.batch, task_options(options.set)))
    with room_for(settings), _only_run_in(options.out, team):
        run = _Run(Trainer(task, settings, team), options, progress, clock)
        before = _before(settings, options.out)
        team.wait()  # nobody writes before all have looked
        run.begin(before)
        result = run.to_the_end()
        team.wait()  # a launcher ends all when one has gone
        return result


def _before(settings: Settings, folder: Path) -> dict[str, Any] | None:
    """The checkpoint to go on from, None for a new run. Raises ``BadInput`` for one of another command."""
    before = read_checkpoint(folder)
    if before is not None:
        settings.check_same(before["settings"], folder)
    return before


@contextmanager
def _only_run_in(folder: Path, team: Team) -> Iterator[None]:
    """The main process holds the folder; the others wait until it does."""
    lock = _locked(folder) if team.main else None
    team.wait()
    try:
        yield
    finally:
        if lock is not None:
            lock.release()


def _locked(folder: Path) -> FolderLock:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(f"{folder} can't be made a folder ({error.strerror or error}). Choose another --out.") from error
    lock = FolderLock(folder)
    lock.acquire()
    return lock


class _Run:
    """From one start to a pause, a stop or the end, by one process of a team."""

    def __init__(self, trainer: Trainer, options: TrainOptions, progress: Progress, clock: Callable[[], float]) -> None:
        self.trainer, self.options, self.progress, self.clock = trainer, options, progress, clock
        self.team = trainer.team
        self.budget = Budget(trainer.settings.seconds, trainer.settings.steps)
        self.window = runlog.Window()

    def begin(self, before: dict[str, Any] | None) -> None:
        """Go on from a checkpoint; or begin, with a checkpoint of that: there is always one to return to."""
        trainer, folder = self.trainer, self.options.out
        if self.team.main:
            sweep(folder)
        if before is not None:
            self._load(before["trainer"])
            if self.team.main:
                runlog.forget_after(folder, trainer.steps)
        else:
            if self.options.warm_start is not None:
                load_weights(trainer.task.shipped(trainer.model), self.options.warm_start)
                trainer.begin_average()
            self._save()
        if self.options.compile and trainer.device.type == "cuda":
            trainer.loss = torch.compile(trainer.loss)

    def _load(self, state: dict[str, Any]) -> None:
        """Raises ``BadInput`` for the state of another network."""
        try:
            self.trainer.load(state)
        except (RuntimeError, ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
            if memory_is_full(error):
                raise
            raise BadInput(
                f"{self.options.out / CHECKPOINT} does not fit the network of this task ({error_text(error)}). It was left as it "
                "is: choose another --out, or remove it to begin anew."
            ) from error

    def to_the_end(self) -> TrainingResult:
        """Train what is left of the budget; then measure and export, unless a pause or a stop comes first."""
        with StopRequest(insist=self.team.size == 1) as stop:
            self._loop(stop)
            asked = self.team.anybody(stop.asked)
        if asked:
            raise KeyboardInterrupt
        trainer = self.trainer
        if self._share() < 1 or not self.team.main:
            return TrainingResult(self.options.out, self._share() >= 1, trainer.steps, trainer.seconds, trainer.guard.skipped, {})
        result = finish(trainer, self.options)
        self._write_line({"figures": result.figures})
        return result

    def _loop(self, stop: StopRequest) -> None:
        trainer, options = self.trainer, self.options
        began, looked, at_start = self.clock() - trainer.seconds, trainer.seconds, self._done()
        pause = trainer.seconds + 60 * (options.pause_after_minutes or float("inf"))
        asked = self.team.anybody(stop.asked)
        while self._share() < 1 and not asked and trainer.seconds < pause:
            report = trainer.step(self._share())
            self._obey(report)
            self._note(report, at_start)
            if trainer.seconds - looked >= 60 * (options.every_minutes or EVERY_MINUTES):
                looked = trainer.seconds
                self._save()
                self._look()
            trainer.seconds, asked = self.team.main_says(self.clock() - began), self.team.anybody(stop.asked)
        self._save()

    def _look(self) -> None:
        """The others wait for the main process with their next step."""
        if self.team.main:
            self._write_line({"figures": look(self.trainer, self.options.out)})

    def _share(self) -> float:
        return self.budget.share(self.trainer.seconds, self.trainer.steps)

    def _obey(self, report: StepReport) -> None:
        if report.verdict == "go on":
            return
        if report.verdict == "give up":
            raise TrainingFailed(
                f"The loss is not a number, also after {self.trainer.guard.returns - 1} returns to the last checkpoint with half "
                f"the rate each. {self.options.out / runlog.LOG_FILE} shows where it began. Try a lower --lr or --precision "
                "fp32, with another --out."
            )
        state = read_checkpoint(self.options.out)
        if state is None:
            raise TrainingFailed(f"{self.options.out / CHECKPOINT} is gone: there is nothing to return to.")
        self.trainer.return_to(state["trainer"])
        if self.team.main:
            log.warning("The loss is not a number: back to step %d, with half the rate.", self.trainer.steps)

    def _done(self) -> tuple[int, int]:
        """Done and total, in steps where steps are the budget, in seconds elsewhere."""
        if self.budget.steps:
            return self.trainer.steps, self.budget.steps
        return round(self.trainer.seconds), round(self.budget.seconds)

    def _note(self, report: StepReport, at_start: tuple[int, int]) -> None:
        if not self.team.main:
            return
        self.window.add(report.values)
        if self.trainer.steps % LOG_EVERY:
            return
        means = self.window.take()
        self._write_line({"rate": report.rate, **means})
        done, total = self._done()
        told = f"step {self.trainer.steps}, loss {means['loss']:.4g}, {self._speed():.1f} steps/s"
        self.progress(STAGE, min(done, total) - at_start[0], total - at_start[0], told)

    def _write_line(self, values: dict[str, Any]) -> None:
        trainer = self.trainer
        place = {"step": trainer.steps, "seconds": round(trainer.seconds, 2), "steps_per_s": round(self._speed(), 3)}
        runlog.append(self.options.out, {**place, "skipped": trainer.guard.skipped, **values})

    def _speed(self) -> float:
        return self.trainer.steps / max(self.trainer.seconds, 1e-9)

    def _save(self) -> None:
        """Write a checkpoint, unless the last steps failed: then the one that is there is the last good one."""
        if self.trainer.guard.in_a_row == 0:
            state = {"settings": asdict(self.trainer.settings), "trainer": self.trainer.state()}
            if self.team.main:
                write_checkpoint(self.options.out, state)
