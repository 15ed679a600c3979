"""Weights that others published as PyTorch files: numbers are read, code never is."""

import zipfile
from pathlib import Path

import torch
from torch import nn

from paco_core.errors import BadInput
from paco_core.nets.weights import MAX_BYTES

State = dict[str, torch.Tensor]
CODE = "/code/"
"""Folder that a TorchScript archive has, and a file of weights has not."""
CONVERSION = (
    "import sys, torch, safetensors.torch as s; s.save_file({k: v.clone() for k, v in "
    "torch.jit.load(sys.argv[1], map_location='cpu').state_dict().items()}, sys.argv[2])"
)
"""For a TorchScript archive that somebody trusts: what ``python -c`` needs to be given to make safetensors of it. It runs what
the archive says, which is why this program does not."""


def read_state(path: Path, marker: str) -> State:
    """The weights of one network in a file, without what stands before ``marker`` in their names; floating ones as float32.

    ``marker`` is the end of the name of a convolution that this network has and no other in the file. The file is safetensors, or
    what ``torch.save`` wrote of tensors in plain containers, bare or under ``state_dict``. Raises ``BadInput`` for anything else.
    """
    if not path.is_file() or path.stat().st_size > MAX_BYTES:
        raise BadInput(f"{path} is no file of weights: give a file of at most {MAX_BYTES >> 30} GiB.")
    if _is_code(path):
        raise BadInput(
            f"{path} is TorchScript, which is code, and is not run here. If you trust where it comes from, make safetensors of "
            f'it: python -c "{CONVERSION}" {path.name} {path.stem}.safetensors'
        )
    state = _tensors(path)
    prefixes = [name.removesuffix(marker) for name, value in state.items() if name.endswith(marker) and value.ndim == 4]
    if len(prefixes) != 1:
        raise BadInput(f"{path} holds the weights of another network: {len(prefixes)} convolutions end with {marker}.")
    found = {name.removeprefix(prefixes[0]): value for name, value in state.items() if name.startswith(prefixes[0])}
    return {name: value.float() if value.is_floating_point() else value for name, value in found.items()}


def filled(net: nn.Module, state: State, path: Path) -> nn.Module:
    """A network made on the device "meta" with the weights of a file, for inference.

    Counters of batches, which matter to training alone, may be missing. Raises ``BadInput`` unless all else is the network's.
    """
    counters = {name: torch.tensor(0) for name in net.state_dict() if name.endswith("num_batches_tracked")}
    try:
        net.load_state_dict(counters | state, strict=True, assign=True)
    except RuntimeError as error:
        raise BadInput(f"{path} holds the weights of another network: {' '.join(str(error).split())[:300]}") from error
    return net.eval().requires_grad_(False)


def _is_code(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            return any(CODE in name for name in archive.namelist())
    except (zipfile.BadZipFile, ValueError, NotImplementedError):  # whoever reads it says what is wrong with it
        return False


def _tensors(path: Path) -> State:
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            found = load_file(path)
        else:
            found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # unpickling fails in as many ways as there are bytes
        raise BadInput(
            f"{path} can't be read as weights ({' '.join(str(error).split())[:160]}). Give safetensors, or a PyTorch file "
            "that holds nothing but numbers."
        ) from error
    state = found.get("state_dict", found) if isinstance(found, dict) else None
    named = state.items() if isinstance(state, dict) else ()
    return {str(name): value for name, value in named if isinstance(value, torch.Tensor)}
