"""``log.jsonl``: a line of JSON per interval and per evaluation; steps that an interruption undoes are taken out."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from paco_core.files import write_atomic

LOG_FILE = "log.jsonl"
OWN_KEYS = {"step", "seconds", "steps_per_s", "skipped", "figures", "rate", "loss", "gradient"}
"""What the runner writes into a line; parts of a loss have other names."""


def append(folder: Path, line: dict[str, Any]) -> None:
    """Add one line; ``step`` must be in it."""
    with (folder / LOG_FILE).open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


def read(folder: Path) -> Iterator[dict[str, Any]]:
    """All whole lines; none without a file. The last one may have been cut off by a kill: it is left out."""
    file = folder / LOG_FILE
    for text in file.read_text(encoding="utf-8").splitlines() if file.exists() else ():
        try:
            yield json.loads(text)
        except json.JSONDecodeError:
            continue


def forget_after(folder: Path, step: int) -> None:
    """Drop what a killed process logged after the checkpoint at ``step``: it is going to be done again."""
    kept = [json.dumps(line) for line in read(folder) if line["step"] <= step]
    write_atomic(folder / LOG_FILE, "".join(f"{line}\n" for line in kept).encode())


class Window:
    """Means of scalars over some steps, added up where they are: asking for every value would hold up a GPU."""

    def __init__(self) -> None:
        self.steps = 0
        self._sums: dict[str, torch.Tensor] = {}

    def add(self, values: Mapping[str, torch.Tensor]) -> None:
        """Take note of one step."""
        self.steps += 1
        for key, value in values.items():
            self._sums[key] = self._sums[key] + value.detach() if key in self._sums else value.detach().clone()

    def take(self) -> dict[str, float]:
        """The means, and begin anew."""
        means = {key: value.item() / self.steps for key, value in self._sums.items()}
        self.steps, self._sums = 0, {}
        return means
