"""Pictures into a file that moves: MP4 by PyAV (extra ``video``), animated WebP and GIF by Pillow."""

import io
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from paco_core.errors import BadInput, MissingDependency
from paco_core.files import write_atomic, writing

Pictures = Iterable[UInt8[np.ndarray, "h w 3"]]
Writer = Callable[[Pictures, float], None]

CRF = 20
"""x264's constant quality: 18 can't be told from the source, 23 is its default."""
WEBP_QUALITY, WEBP_EFFORT = 80, 4
GIF_STEPS = ((256, True), (256, False), (128, False), (64, False))
"""Colours, and whether they are dithered: the finest whose file is not too large, or the last."""
GIF_BYTES = 10_000_000
"""Mail and chat take files of this size; a GIF that is larger is made again more coarsely."""
PALETTE_PICTURES = 12
"""One palette for the whole film, from this many of its pictures: nothing flickers."""


def film_writer(path: Path) -> Writer:
    """What writes pictures (equally large, both sides even) and pictures per second to ``path``, which then is whole.

    Raises ``BadInput`` for an ending that is none of .mp4, .webp and .gif, ``MissingDependency`` for .mp4 without PyAV.
    """
    ending = path.suffix.lower()
    if ending == ".mp4":
        av = _pyav()
        return lambda pictures, fps: _write_mp4(av, pictures, fps, path)
    if ending == ".webp":
        return lambda pictures, fps: write_atomic(path, _webp(pictures, fps))
    if ending == ".gif":
        return lambda pictures, fps: write_atomic(path, _gif(pictures, fps))
    raise BadInput(f"{path.name} is none of the films that can be written: end it with .mp4, .webp or .gif.")


def _pyav() -> Any:
    try:
        import av
    except ImportError as error:
        raise MissingDependency(
            "MP4 needs its encoder: pip install 'paco-scene3d[video]'. Or let the name end with .webp or .gif."
        ) from error
    return av


def _write_mp4(av: Any, pictures: Pictures, fps: float, path: Path) -> None:
    """H.264 with 4:2:0 colour, the index in front: what every browser, phone and slide shows."""
    shown = iter(pictures)
    first = next(shown)
    with writing(path) as file, av.open(file, "w", format="mp4", options={"movflags": "faststart"}) as container:
        stream = container.add_stream("libx264", rate=Fraction(fps).limit_denominator(1000))
        stream.height, stream.width = first.shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.options = {"crf": str(CRF), "preset": "slow"}
        for picture in chain([first], shown):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())


def _webp(pictures: Pictures, fps: float) -> bytes:
    first, *others = _images(pictures)
    out = io.BytesIO()
    options = {"quality": WEBP_QUALITY, "method": WEBP_EFFORT, "duration": round(1000 / fps), "loop": 0}
    first.save(out, "WEBP", save_all=True, append_images=others, **options)
    return out.getvalue()


def _gif(pictures: Pictures, fps: float) -> bytes:
    images = list(_images(pictures))
    data = b""
    for colours, dithered in GIF_STEPS:
        data = _gif_with(images, colours, dithered, fps)
        if len(data) <= GIF_BYTES:
            break
    return data


def _gif_with(images: list[Image.Image], colours: int, dithered: bool, fps: float) -> bytes:
    palette, dither = _palette(images, colours), Image.Dither.FLOYDSTEINBERG if dithered else Image.Dither.NONE
    first, *others = (image.quantize(palette=palette, dither=dither) for image in images)
    out = io.BytesIO()
    hundredths = max(2, round(100 / fps))  # GIF's unit of time; players take 1 for 10
    first.save(out, "GIF", save_all=True, append_images=others, duration=10 * hundredths, loop=0, optimize=False)
    return out.getvalue()


def _palette(images: list[Image.Image], colours: int) -> Image.Image:
    """The colours that some pictures of the film have together; an octree also keeps those of small things."""
    some = [images[k] for k in np.linspace(0, len(images) - 1, min(PALETTE_PICTURES, len(images))).astype(int)]
    mosaic = np.concatenate([np.asarray(image)[::2, ::2] for image in some])
    return Image.fromarray(mosaic).quantize(colours, method=Image.Quantize.FASTOCTREE)


def _images(pictures: Pictures) -> Iterator[Image.Image]:
    return (Image.fromarray(picture) for picture in pictures)
