"""``python -m paco_core.training NAME …``: ``paco train`` for machines that have torch and accelerate, and little else."""

import argparse
import dataclasses
import logging
import os
import sys
import time
import types
import typing

from paco_core.errors import PacoError
from paco_core.progress import silent
from paco_core.training.options import TrainOptions
from paco_core.training.runner import train
from paco_core.training.tasks import TASKS
from paco_core.training.team import leave

COMPLETE, BAD_INPUT, INTERRUPTED = 0, 2, 130
"""As of the ``paco`` command (CONVENTIONS.md); a paused run is an interrupted one."""
TELL_EVERY_S = 5.0


def main(argv: list[str] | None = None) -> int:
    """Train, and return the exit code. Of several processes the main one tells; each names what goes wrong in it."""
    logging.basicConfig(format="%(levelname)s: %(message)s")
    given = vars(parser().parse_args(argv))
    main_process = os.environ.get("RANK", "0") == "0"
    try:
        result = train(given.pop("name"), TrainOptions(**given), progress=_Lines() if main_process else silent)
    except PacoError as error:
        sys.stderr.write(f"{error}\n")
        return BAD_INPUT
    except KeyboardInterrupt:
        if main_process:
            sys.stderr.write("Interrupted. The same command goes on from here.\n")
        return INTERRUPTED
    leave()
    if main_process:
        sys.stdout.write(f"{result.text}\n")
    return COMPLETE if result.finished else INTERRUPTED


def parser() -> argparse.ArgumentParser:
    """An option for every field of ``TrainOptions``."""
    made = argparse.ArgumentParser(prog="python -m paco_core.training", description=TrainOptions.__doc__, allow_abbrev=False)
    made.add_argument("name", help=f"what to train: {', '.join(TASKS)}")
    hints = typing.get_type_hints(TrainOptions)
    for field in dataclasses.fields(TrainOptions):
        required = field.default is dataclasses.MISSING
        default = () if required else field.default
        option = f"--{field.name.replace('_', '-')}"
        kind = _plain(hints[field.name])
        if kind is bool:
            made.add_argument(option, action="store_true")
        elif typing.get_origin(kind) is tuple:
            made.add_argument(option, type=typing.get_args(kind)[0], nargs="+", action=_Tuple, required=required, default=default)
        elif typing.get_origin(kind) is typing.Literal:
            made.add_argument(option, choices=typing.get_args(kind), default=default)
        else:
            made.add_argument(option, type=kind, required=required, default=default)
    return made


def _plain(kind: typing.Any) -> typing.Any:
    """``X`` for ``X | None``."""
    if isinstance(kind, types.UnionType):
        return next(arm for arm in typing.get_args(kind) if arm is not type(None))
    return kind


class _Tuple(argparse.Action):
    """All values of an option, however often it is given."""

    def __call__(self, parser, namespace, values, option_string=None):
        before = getattr(namespace, self.dest)
        setattr(namespace, self.dest, (() if before is self.default else before or ()) + tuple(values or ()))


class _Lines:
    """A ``Progress`` in plain lines with the time that is left, one every few seconds."""

    def __init__(self) -> None:
        self._began = self._told = time.monotonic()

    def __call__(self, stage: str, done: int, total: int, note: str = "") -> None:
        """Say it, unless something was said just now."""
        now = time.monotonic()
        if done < total and now - self._told < TELL_EVERY_S:
            return
        self._told = now
        left = (now - self._began) / max(done, 1) * (total - done)
        sys.stderr.write(f"{now - self._began:6.0f} s  {stage} {done}/{total}, about {left:.0f} s left  {note}\n")
        sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
