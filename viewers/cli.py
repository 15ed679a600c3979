"""``paco …``: the top of the arrows, and the only place that prints or exits. Imports nothing heavy until a command runs."""

import contextlib
import importlib
import sys
import tempfile
import textwrap
import traceback
import typing
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from paco_core.errors import BadInput, MissingDependency
from viewers.commands import BAD_INPUT, BUG, COMPLETE, INTERRUPTED
from viewers.errors import UnexpectedError
from viewers.progressline import ProgressLine, WarningsTo


@dataclass(frozen=True)
class Command:
    """A module of ``viewers.commands`` with a frozen dataclass ``Options`` and ``run(options, progress) -> Outcome``."""

    name: str
    summary: str
    resumes: bool = False
    """Whether the same command again goes on where it was stopped."""

    @property
    def module(self) -> str:
        """Where it lives."""
        return f"viewers.commands.{self.name}"


COMMANDS = (
    Command("demo", "reconstruct the photos that come with the package", resumes=True),
    Command("reconstruct", "one photo and its masks become a 3D scene in a run folder", resumes=True),
    Command("deocclude", "complete the objects of a photo, and the background behind them", resumes=True),
    Command("lift", "make a mesh of every complete object of a run folder", resumes=True),
    Command("place", "bring the meshes of a run folder to their places", resumes=True),
    Command("export", "write the files of a run folder that people and programs open", resumes=True),
    Command("redo", "lift one object of a run folder once more, in another way", resumes=True),
    Command("clean", "remove what a run folder needs for going on, or all that runs made"),
    Command("edit", "rearrange the scene of a run folder: move, rotate, copy, hide, re-order …"),
    Command("view", "look at the scene of a run folder in a window"),
    Command("turntable", "film the scene of a run folder: MP4, WebP or GIF"),
    Command("scenes", "render scenes whose truth is known, for training and measuring", resumes=True),
    Command("eval", "measure the methods on scenes whose truth is known"),
    Command("pack", "put whole objects into one file that training reads"),
    Command("train", "train a network on packs of whole objects", resumes=True),
    Command("backends", "list the methods that can be chosen, and what each needs"),
    Command("doctor", "say what this machine has, and what is missing for what"),
    Command("version", "print the version"),
)


def main(argv: list[str] | None = None) -> int:
    """Run one command and return its exit code; ``argv`` is the process's own by default."""
    args = sys.argv[1:] if argv is None else argv
    try:
        return _dispatch(args)
    except KeyboardInterrupt:
        _say(sys.stderr, "Interrupted.")
        return INTERRUPTED
    except BrokenPipeError:  # the reader of our output left (`paco backends | head`): nothing to say, nobody to hear it
        sys.stdout = None
        return COMPLETE


def _dispatch(args: list[str]) -> int:
    if args[:1] in ([], ["-h"], ["--help"]):
        _say(sys.stdout if args else sys.stderr, _help())
        return COMPLETE if args else BAD_INPUT
    if args[0] == "--version":
        args = ["version"]
    try:
        command = _find(args[0])
    except BadInput as error:
        _say(sys.stderr, f"paco: {error}")
        return BAD_INPUT
    return _run(command, args[1:])


def _run(command: Command, args: list[str]) -> int:
    progress = ProgressLine(sys.stderr)
    with WarningsTo(progress):
        try:
            module = importlib.import_module(command.module)
            outcome = module.run(_parse(command, module.Options, args), progress)
        except (BadInput, MissingDependency) as error:
            progress.say(f"paco {command.name}: {error}")
            return BAD_INPUT
        except KeyboardInterrupt:
            if not command.resumes:
                progress.clear()
                raise
            progress.say("Interrupted. What was finished is kept: run the same command again to go on from there.")
            return INTERRUPTED
        except UnexpectedError as error:
            progress.say(_bug(command, error.cause, error.log_file))
            return BUG
        except Exception as error:
            progress.say(_bug(command, error, _new_log(error)))
            return BUG
    progress.clear()
    _say(sys.stdout, outcome.text)
    return outcome.code


def _parse(command: Command, options: Any, args: list[str]) -> Any:
    module = importlib.import_module(command.module)
    if hasattr(module, "parse"):  # its options are steps, whose order counts
        return module.parse(args)
    import tyro  # here, so that `paco --help` doesn't wait for it

    return tyro.cli(
        options, args=gathered(args, _lists(options)), prog=f"paco {command.name}", config=(tyro.conf.OmitArgPrefixes,)
    )


def _lists(options: Any) -> set[str]:
    """Options that take any number of values."""
    kinds = typing.get_type_hints(options)
    return {"--" + name.replace("_", "-") for name, kind in kinds.items() if ... in typing.get_args(kind)}


def gathered(args: Sequence[str], lists: Collection[str]) -> list[str]:
    """Arguments in which every one of ``lists`` comes once, with all its values: of an option that is given twice tyro keeps
    the last."""
    parts: list[list[str]] = [[]]
    first: dict[str, list[str]] = {}
    part = parts[0]
    for word in args:
        if word in first:
            part = first[word]
            continue
        if word.startswith("--"):
            parts.append(part := [])
            if word in lists:
                first[word] = part
        part.append(word)
    return [word for part in parts for word in part]


def _find(name: str) -> Command:
    for command in COMMANDS:
        if command.name == name:
            return command
    from paco_core.registry import did_you_mean

    names = tuple(command.name for command in COMMANDS)
    raise BadInput(f"There is no command {name!r}.{did_you_mean(name, names)} `paco --help` lists them.")


def _help() -> str:
    width = max(len(command.name) for command in COMMANDS)
    listed = "\n".join(f"  {command.name:<{width}}  {command.summary}" for command in COMMANDS)
    head = textwrap.dedent("""\
        usage: paco COMMAND [options]

        One photo in, a 3D scene of separate, complete, movable objects out.
        """)
    tail = "`paco COMMAND --help` explains a command. Exit codes: 0 complete, 2 bad input, 3 finished with fallbacks."
    return f"{head}\n{listed}\n\n{tail}"


def _new_log(error: Exception) -> Path:
    """A file with the traceback, for commands that have no run folder."""
    with tempfile.NamedTemporaryFile("w", prefix="paco-", suffix=".log", delete=False) as log:
        traceback.print_exception(error, file=log)
    return Path(log.name)


def _bug(command: Command, error: Exception, log_file: Path) -> str:
    what = " ".join(f"{type(error).__name__}: {error}".split())[:160]
    return f"paco {command.name} stopped by a mistake of its own ({what}). Please report it with {log_file}."


def _say(stream: TextIO | None, text: str) -> None:
    if text and stream is not None:
        with contextlib.suppress(ValueError):  # a closed stream
            print(text, file=stream, flush=True)


if __name__ == "__main__":
    sys.exit(main())
