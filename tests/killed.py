"""``python -m tests.killed TEMPLATE SHARES WORDS…``: a command that kills itself (SIGKILL) at one moment after the other.

A moment is a change of a file: the child dies right before it. SHARES are those moments as shares of all (``0.5,0.9``).
Every time the run folder starts as a copy of TEMPLATE (where there is one), and afterwards the same command runs undisturbed.
Says in a line of JSON per moment what ``scene.json`` was after the kill, and the digest of what people and programs open in
the end. No check here: tests/test_killed.py knows what has to come out.
"""

import hashlib
import json
import os
import shutil
import signal
import sys
import zipfile
from pathlib import Path

from paco_core.errors import BadInput
from scene3d.scene import load_scene
from viewers.cli import main

CHANGES = {"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "shutil.rmtree"}
TIMED = ("report.html", "report.png", "log.txt", ".lock")
"""Differ from run to run: they tell of seconds."""


def digest(folder: Path) -> str:
    """Of all files and their places, but for the stages and those that tell of seconds."""
    total = hashlib.sha256()
    for file in sorted(f for f in folder.rglob("*") if f.is_file()):
        place = file.relative_to(folder).as_posix()
        total.update(place.encode())
        if file.name not in TIMED and not place.startswith("stages/"):
            total.update(file.read_bytes())
    return total.hexdigest()


def scene_digest(folder: Path) -> str:
    """What a reader gets to see."""
    try:
        scene = load_scene(folder)
    except BadInput as error:
        return f"refused: {error}"
    meshes = [obj.mesh for obj in scene.objects]
    return hashlib.sha256(b"".join(m.vertices.tobytes() + m.texture.tobytes() for m in meshes)).hexdigest()


def damaged_stages(folder: Path) -> list[str]:
    """Stage files that are not whole."""
    files = (folder / "stages").rglob("*.npz")
    return [str(f) for f in files if not zipfile.is_zipfile(f) or zipfile.ZipFile(f).testzip()]


def run(words: list[str], folder: Path, after: float = float("inf")) -> tuple[int, int]:
    """(exit status as of ``os.waitpid``, moments that passed) of a child process that runs the command line."""
    counter = folder.with_suffix(".moments")
    child = os.fork()
    if child:
        _, status = os.waitpid(child, 0)
        return status, int(counter.read_text())
    sys.stdout = sys.stderr = Path(os.devnull).open("w")  # noqa: SIM115  (until the process ends)
    moments = 0

    def die(event: str, args: tuple) -> None:
        nonlocal moments
        if _changes(event, args, folder.absolute()):
            if moments >= after:
                os.kill(os.getpid(), signal.SIGKILL)
            moments += 1
            counter.write_text(str(moments))

    sys.addaudithook(die)
    os._exit(main([*words, "--out", str(folder)]))


def _changes(event: str, args: tuple, folder: Path) -> bool:
    """Whether an audit event is a change below the folder (lines of the log do not count)."""
    if event not in CHANGES or not isinstance(args[0], str | os.PathLike):
        return False
    if event == "open" and not (isinstance(args[1], str) and set(args[1]) & set("wax+")):
        return False
    path = Path(args[0]).absolute()
    return folder in path.parents and path.name != "log.txt"


def say(**what: object) -> None:
    sys.stdout.write(f"{json.dumps(what)}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    template, words = Path(sys.argv[1]), sys.argv[3:]
    folder = template.with_name("disturbed")

    def fresh() -> None:
        shutil.rmtree(folder, ignore_errors=True)
        if template.is_dir():
            shutil.copytree(template, folder)

    fresh()
    before = scene_digest(folder)
    status, count = run(words, folder)
    say(status=status, moments=count, before=before, scene=scene_digest(folder), digest=digest(folder))
    for after in (int(float(share) * count) for share in sys.argv[2].split(",")):
        fresh()
        killed, _ = run(words, folder, after)
        seen, damaged = scene_digest(folder), damaged_stages(folder)
        status, _ = run(words, folder)
        say(after=after, killed=killed, scene=seen, damaged=damaged, status=status, digest=digest(folder))
