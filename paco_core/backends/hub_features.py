"""The networks that papers measure with, where their weights can be had: Inception for FID and KID, VGG for LPIPS."""

import importlib
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32, UInt8

from paco_core.errors import BadInput, MissingDependency

INCEPTION_PX = 299
"""What Inception v3 was trained on."""
INCEPTION_STAGES = ("Conv2d_2b_3x3", "Conv2d_4a_3x3", "Mixed_5d", "Mixed_6e", "Mixed_7c")
"""The last layer at each of its resolutions."""
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of the training pictures; torchvision's weights expect colours less the one, over the other."""


class InceptionV3:
    """Protocol ``FeatureExtractor``: torchvision's Inception v3, 2,048 pooled features.

    Published FIDs were made with TensorFlow's weights of 2015 and its resampling; these are others, so that figures compare
    among themselves alone, hence the name.
    """

    name = "inception-v3 (torchvision)"

    def __init__(self, weights: Path | None = None) -> None:
        """``weights``: a state_dict of ``torchvision.models.inception_v3``; without it, torchvision's hub is asked.

        Raises ``BadInput`` for a file that isn't one, ``MissingDependency`` when the hub can't be reached.
        """
        models = _package("torchvision.models")
        net = models.inception_v3(weights=None, init_weights=False, aux_logits=True)
        _load(net, weights, models.Inception_V3_Weights.IMAGENET1K_V1)
        extraction = _package("torchvision.models.feature_extraction")
        self._net = extraction.create_feature_extractor(net.eval(), [*INCEPTION_STAGES, "flatten"])

    def maps(self, rgb: UInt8[np.ndarray, "n h w 3"]) -> list[Float32[np.ndarray, "n _ _ _"]]:
        """The five resolutions of the network."""
        found = self._run(rgb)
        return [found[stage].numpy() for stage in INCEPTION_STAGES]

    def pooled(self, rgb: UInt8[np.ndarray, "n h w 3"]) -> Float32[np.ndarray, "n d"]:
        """What the classifier would see."""
        return self._run(rgb)["flatten"].numpy()

    def _run(self, rgb: UInt8[np.ndarray, "n h w 3"]) -> dict[str, Any]:
        import torch

        with torch.inference_mode():
            size = (INCEPTION_PX, INCEPTION_PX)
            pictures = torch.nn.functional.interpolate(_unit(rgb), size, mode="bilinear", antialias=True)
            mean, std = (torch.tensor(values)[:, None, None] for values in (IMAGENET_MEAN, IMAGENET_STD))
            return self._net((pictures - mean) / std)


class LpipsVgg:
    """Protocol ``WeightedExtractor``: the ``lpips`` package with VGG-16 (Zhang et al. 2018, version 0.1).

    The package holds the learned channel weights; the backbone's are torchvision's. ``perceptual_distance`` over a whole
    picture is then what the package itself returns.
    """

    name = "lpips-vgg"

    def __init__(self, weights: Path | None = None) -> None:
        """``weights``: a state_dict of ``torchvision.models.vgg16``; without it, torchvision's hub is asked.

        Raises ``BadInput`` for a file that isn't one, ``MissingDependency`` when the hub can't be reached.
        """
        models = _package("torchvision.models")
        backbone = models.vgg16(weights=None, init_weights=False)
        _load(backbone, weights, models.VGG16_Weights.IMAGENET1K_V1)
        self._net = _package("lpips").LPIPS(net="vgg", pnet_rand=True, verbose=False).eval()
        for stage in self._net.net.children():
            for index, layer in stage.named_children():
                layer.load_state_dict(backbone.features[int(index)].state_dict())
        self.channel_weights = [lin.model[-1].weight.detach().numpy().reshape(-1) for lin in self._net.lins]

    def maps(self, rgb: UInt8[np.ndarray, "n h w 3"]) -> list[Float32[np.ndarray, "n _ _ _"]]:
        """VGG's five stages before pooling."""
        import torch

        with torch.inference_mode():
            return [stage.numpy() for stage in self._net.net(self._net.scaling_layer(2 * _unit(rgb) - 1))]

    def pooled(self, rgb: UInt8[np.ndarray, "n h w 3"]) -> Float32[np.ndarray, "n d"]:
        """Means of the last stage's channels: LPIPS defines none."""
        return self.maps(rgb)[-1].mean(axis=(2, 3))


def _package(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except (ImportError, RuntimeError, OSError) as error:  # a torchvision of another build of torch lacks its operators
        raise MissingDependency(
            f"{name} is installed but can't be loaded ({error}). Install torch and torchvision together, both for this machine."
        ) from error


def _unit(rgb: UInt8[np.ndarray, "n h w 3"]) -> Any:
    """A torch tensor (n, 3, h, w), 0 … 1."""
    import torch

    return torch.from_numpy(np.ascontiguousarray(rgb.transpose(0, 3, 1, 2))).float() / 255


def _load(net: Any, path: Path | None, published: Any) -> None:
    """Fill a network, every weight of it; files are read without unpickling anything but tensors."""
    import torch

    if path is None:
        try:
            state = published.get_state_dict(progress=False, check_hash=True, weights_only=True)
        except OSError as error:
            raise MissingDependency(
                f"The weights at {published.url} can't be fetched ({error}). Download them elsewhere, and name the file with "
                "--feature-weights."
            ) from error
    else:
        try:
            state = torch.load(path, map_location="cpu", weights_only=True)
        except Exception as error:
            raise BadInput(f"{path} can't be read as PyTorch weights ({str(error)[:120]}). Give the published file.") from error
    try:
        net.load_state_dict(state)
    except (RuntimeError, TypeError, AttributeError) as error:
        raise BadInput(f"{path or published.url} holds weights of another network ({str(error)[:160]}).") from error
