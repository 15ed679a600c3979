"""Two thousand odd things that people could hand in: each is used or refused with a sentence, soon, and never with a traceback.

The readers' own tests look at one file at a time; here everything comes together, up to the point where work begins, and
(for a few) through the whole command.
"""

import io
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, event, given, settings
from hypothesis import strategies as st
from PIL import Image

from paco_core.errors import BadInput
from paco_core.pipeline import DeocclusionConfig, shrink
from paco_core.segment import segment
from scene3d.pipeline import Inputs
from tests.maskfiles import any_json, damaged, mask_json, odd_numbers
from viewers.cli import main
from viewers.geometry import GeometryOptions
from viewers.inputs import InputOptions, read_inputs

pytestmark = pytest.mark.slow

HW = (24, 32)
"""Size of most of the photos, px: small, so that thousands of cases are soon done."""
BY_HAND = settings(deadline=20_000, suppress_health_check=list(HealthCheck))
"""What takes 20 s to read, or two minutes to work on, is taken for something that hangs."""


@dataclass(frozen=True)
class Case:
    """Files by name, and options that may point at them."""

    files: dict[str, bytes]
    options: dict[str, object]


def saved(array: np.ndarray, kind: str, mode: str | None = None) -> bytes:
    out = io.BytesIO()
    image = Image.fromarray(array)
    (image if mode is None else image.convert(mode)).save(out, kind)
    return out.getvalue()


sizes = st.integers(0, 29).map(lambda k: {0: HW[::-1], 1: (48, 64), 2: (16, 16), 3: (15, 40), 4: (1, 1)}.get(k, HW))
"""Mostly the one that fits."""


@st.composite
def photos(draw: st.DrawFn) -> tuple[str, bytes]:
    hw = draw(sizes)
    rgb = np.random.default_rng(draw(st.integers(0, 9))).integers(0, 256, (*hw, 3), dtype=np.uint8)
    kind, modes = draw(
        st.sampled_from(
            [
                ("PNG", ("RGB", "RGBA", "L", "LA", "P", "1")),
                ("JPEG", ("RGB", "L", "CMYK")),
                ("WEBP", ("RGB", "RGBA")),
                ("TIFF", ("RGB", "RGBA", "L", "CMYK", "LAB", "F")),
                ("GIF", ("P",)),
            ]
        )
    )
    return f"photo.{kind.lower()}", saved(rgb, kind, draw(st.sampled_from(modes)))


@st.composite
def labels(draw: st.DrawFn) -> np.ndarray:
    picture = np.zeros(draw(sizes), draw(st.sampled_from([np.uint8, np.uint16])))
    for k in range(draw(st.sampled_from([0, 1, 2, 2, 3, 4, 5]))):
        y, x = draw(st.integers(0, 23)), draw(st.integers(0, 31))
        picture[y : y + draw(st.integers(1, 20)), x : x + draw(st.integers(1, 24))] = draw(
            st.sampled_from([k + 1] * 8 + [7, 255])
        )
    return picture


@st.composite
def masks(draw: st.DrawFn) -> dict[str, bytes]:
    """Label picture, folder of pictures, or JSON."""
    match draw(st.sampled_from(["labels", "labels", "labels", "folder", "json"])):
        case "labels":
            return {"masks.png": saved(draw(labels()), "PNG")}
        case "folder":
            pictures = draw(st.lists(labels(), max_size=3))
            return {f"masks/{k}_{draw(st.text('a_9 é', max_size=3))}.png": saved(p, "PNG") for k, p in enumerate(pictures)}
        case _:
            return {"masks.json": json.dumps(draw(mask_json())).encode()}


@st.composite
def depths(draw: st.DrawFn) -> tuple[str, bytes]:
    hw = draw(sizes)
    z = np.random.default_rng(draw(st.integers(0, 9))).uniform(0.5, 5.0, hw).astype(np.float32)
    odd = draw(st.sampled_from([None, None, np.nan, np.inf, 0.0, -1.0, 1e30, 1e-30]))
    if odd is not None:
        z[draw(st.integers(0, hw[0] - 1)) :] = odd
    match draw(st.sampled_from(["npy", "npz", "png", "tiff", "pfm"])):
        case "npy":
            out = io.BytesIO()
            kind = draw(st.sampled_from([np.float32, np.float64, np.float16, np.int32, complex]))
            with np.errstate(invalid="ignore", over="ignore"):
                np.save(out, z.astype(kind))
            return "depth.npy", out.getvalue()
        case "npz":
            out = io.BytesIO()
            np.savez_compressed(out, **{name: z for name in draw(st.lists(st.sampled_from(["depth", "z", "b"]), unique=True))})
            return "depth.npz", out.getvalue()
        case "png":
            return "depth.png", saved(np.clip(np.nan_to_num(z * 1000), 0, 65535).astype(np.uint16), "PNG")
        case "tiff":
            return "depth.tiff", saved(z, "TIFF")
        case _:
            scale = draw(st.sampled_from([b"-1.0", b"1.0", b"0", b"nan", b"x"]))
            return "depth.pfm", b"Pf\n%d %d\n%s\n" % (hw[1], hw[0], scale) + z.tobytes()


numbers = st.integers(-3, 35).map(str) | odd_numbers.map(str)
prompts = st.tuples(
    st.sampled_from(["", "cup=", "=", "1="]),
    st.lists(numbers, min_size=1, max_size=5).map(",".join) | st.text("0123456789,;- =", max_size=9),
).map("".join)
"""Words of --box and --point."""

cameras = st.fixed_dictionaries(
    {}, optional={name: odd_numbers | st.floats(1, 100) for name in ("fx", "fy", "cx", "cy", "width", "height")}
)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """A photo with masks, and now and then depth, camera, names and words about the order; some of the files damaged."""
    name, data = draw(photos())
    mask_files = draw(masks())
    files = {name: data, **mask_files}
    options: dict[str, object] = {"photo": name, "masks": next(iter(mask_files), "masks").split("/")[0]}
    geometry: dict[str, object] = {}
    if draw(st.integers(0, 2)) == 0:
        geometry["depth"], files_depth = draw(depths())
        files[str(geometry["depth"])] = files_depth
        geometry["depth_is"] = draw(st.sampled_from(["depth", "distance", "disparity"]))
        geometry["depth_kind"] = draw(st.sampled_from(["metric", "relative"]))
        for number in ("depth_unit_m", "baseline_m", "doffs_px", "disparity_unit_px", "depth_range"):
            if draw(st.integers(0, 9)) == 0:
                geometry[number] = float(draw(odd_numbers | st.floats(0.001, 10)))
    if draw(st.integers(0, 9)) == 0:
        geometry["camera"] = "camera.json"
        files["camera.json"] = json.dumps(draw(cameras | any_json)).encode()
    for number in ("fov_deg", "pitch_deg"):
        if draw(st.integers(0, 14)) == 0:
            geometry[number] = float(draw(odd_numbers | st.floats(1, 170)))
    if draw(st.integers(0, 9)) == 0:
        options["names"] = draw(st.text(max_size=8) | st.sampled_from(["cup,saucer", "names.json"]))
        files["names.json"] = json.dumps(draw(any_json)).encode()
    if draw(st.integers(0, 9)) == 0:
        options["order"] = tuple(draw(st.lists(st.text("12>cup ", max_size=6) | st.just("1>2"), max_size=3)))
    if draw(st.integers(0, 5)) == 0:
        options["box"] = (tuple(draw(st.lists(prompts, max_size=2))),)
        options["point"] = (tuple(draw(st.lists(prompts, max_size=2))),)
    if draw(st.integers(0, 7)) == 0:
        del options["masks"]
    options["stuff"] = draw(st.sampled_from(["background", "objects"]))
    if draw(st.integers(0, 3)) == 0:
        hurt = draw(st.sampled_from(sorted(files)))
        files[hurt] = draw(damaged(st.just(files[hurt])))
    return Case(files, {**options, "geometry": geometry})


def written(case: Case, folder: Path) -> InputOptions:
    for name, data in case.files.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
    geometry = {k: folder / v if k in ("depth", "camera") else v for k, v in case.options["geometry"].items()}
    rest = {k: v for k, v in case.options.items() if k != "geometry"}
    paths = {k: folder / str(rest.pop(k)) for k in ("photo", "masks") if k in rest}
    return InputOptions(**paths, geometry=GeometryOptions(**geometry), **rest)


def used(options: InputOptions) -> Inputs | None:
    """What the command would work on, or None when it is refused with a sentence."""
    try:
        inputs = shrink(read_inputs(options), DeocclusionConfig().max_side_px)
        found = segment(inputs.photo, inputs.segmentation, note=lambda _: None)
    except BadInput as sentence:
        assert 10 < len(str(sentence)) < 2000
        return None
    assert found.masks.shape[1:] == inputs.photo.hw
    assert found.masks.any(axis=(1, 2)).all()
    assert found.masks.sum(axis=0).max() == 1
    assert inputs.depth is None or inputs.depth.valid.any()
    return inputs


@settings(BY_HAND, max_examples=1500)
@given(cases())
def test_whatever_is_handed_in_is_used_or_refused(case: Case):
    with tempfile.TemporaryDirectory() as folder:
        event("refused" if used(written(case, Path(folder))) is None else "used")


@settings(BY_HAND, max_examples=60, deadline=120_000, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(cases())
def test_the_whole_command_ends_well_or_with_a_sentence(case: Case):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        options = written(case, folder)
        words = [str(options.photo), "--out", str(folder / "run")]
        words += [] if options.masks is None else ["--masks", str(options.masks)]
        words += [f"--{kind}={word}" for kind in ("box", "point") for group in getattr(options, kind) for word in group]
        for key, value in case.options["geometry"].items():
            path = folder / value if key in ("depth", "camera") else value
            words += [f"--{key.replace('_', '-')}={path}"]
        words += [] if options.names is None else [f"--names={options.names}"]
        try:
            code = main(["reconstruct", *words])
        except SystemExit as refused:  # the parser, for a number that is none
            code = refused.code
        assert code in (0, 2, 3), "a bug was met: see the log that the message names"
        assert (code == 2) == (not (folder / "run/scene.glb").exists())
