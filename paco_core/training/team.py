"""The processes that train one network together, one on each GPU (``torchrun``): what they share, average and agree on.

Gradients are averaged after the backward pass, by plain all-reduces: tasks take several networks apart in their losses, which a
wrapper round one ``forward`` (DistributedDataParallel) does not see.
"""

import os
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import InitProcessGroupKwargs
from torch import distributed, nn

PATIENCE = timedelta(hours=2)
"""How long the others wait for the main process, which alone measures and writes."""
PRECISIONS = {"fp32": "no", "bf16": "bf16", "fp16": "fp16"}
"""Names of precisions in accelerate."""


def processes() -> int:
    """How many the launcher started, by the variables that torchrun and ``accelerate launch`` set."""
    return int(os.environ.get("WORLD_SIZE", "1")) if "LOCAL_RANK" in os.environ else 1


class Team:
    """This process among the others. Alone, everything here leaves things as they are."""

    def __init__(self, *, precision: str, device: str) -> None:
        AcceleratorState._reset_state(True)  # one process may train twice, with other precisions
        waiting = InitProcessGroupKwargs(timeout=PATIENCE)
        self.accelerator = Accelerator(mixed_precision=PRECISIONS[precision], cpu=device == "cpu", kwargs_handlers=[waiting])
        self.size, self.rank = self.accelerator.num_processes, self.accelerator.process_index

    @property
    def device(self) -> torch.device:
        """Where this process trains."""
        return self.accelerator.device

    @property
    def main(self) -> bool:
        """It holds the folder, logs, measures and writes."""
        return self.rank == 0

    @torch.no_grad()
    def share(self, tensors: Iterable[torch.Tensor]) -> None:
        """Make them, in place, what they are in the main process."""
        if self.size > 1:
            _all_of(distributed.broadcast(value, 0, async_op=True) for value in tensors)

    @torch.no_grad()
    def average_gradients(self, weights: Iterable[nn.Parameter]) -> None:
        """In place. A weight that only some processes used counts as 0 in the others; one that none used keeps no gradient."""
        if self.size == 1:
            return
        weights = list(weights)
        used = torch.tensor([weight.grad is not None for weight in weights], dtype=torch.uint8, device=self.device)
        distributed.all_reduce(used, distributed.ReduceOp.MAX)
        gradients = []
        for weight, anywhere in zip(weights, used.tolist(), strict=True):
            if anywhere:
                weight.grad = torch.zeros_like(weight) if weight.grad is None else weight.grad
                gradients.append(weight.grad)
        _all_of(distributed.all_reduce(gradient, async_op=True) for gradient in gradients)
        for gradient in gradients:
            gradient /= self.size

    def mean(self, values: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Of scalars under the same names everywhere."""
        if self.size == 1:
            return dict(values)
        together = torch.stack([value.detach().float() for value in values.values()])
        distributed.all_reduce(together)
        return dict(zip(values, together / self.size, strict=True))

    def main_says(self, number: float) -> float:
        """The main process's, everywhere."""
        if self.size == 1:
            return number
        told = torch.tensor([number], dtype=torch.float64, device=self.device)
        self.share([told])
        return told.item()

    def anybody(self, asks: bool) -> bool:
        """Whether any process does."""
        if self.size == 1:
            return asks
        asked = torch.tensor([asks], dtype=torch.uint8, device=self.device)
        distributed.all_reduce(asked, distributed.ReduceOp.MAX)
        return bool(asked)

    def collected(self, value: Any) -> list[Any]:
        """Small values of all processes, by rank, in every one of them."""
        values = [value] * self.size
        if self.size > 1:
            distributed.all_gather_object(values, value)
        return values

    def wait(self) -> None:
        """Until all have come here."""
        self.accelerator.wait_for_everyone()


def leave() -> None:
    """What a process that trains no more does at its end; all of a team do, and none comes back."""
    if distributed.is_initialized():
        distributed.barrier()  # a process whose peers are gone may abort in its own last moments
        distributed.destroy_process_group()


def _all_of(works: Iterable[Any]) -> None:
    for work in list(works):
        work.wait()
