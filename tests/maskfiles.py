"""Mask files as tools write them, and hostile ones: shared by the tests of readers."""

import io
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

HW = (12, 16)
"""Size of the photo that the strategies below draw masks for, px."""

odd_numbers = st.one_of(
    st.integers(-3, 40),
    st.floats(-50, 50),
    st.sampled_from([float("nan"), float("inf"), -1e308, 1e9, 2**31, 2**63, 2**200, -(2**70)]),
)
any_json = st.recursive(
    st.one_of(st.none(), st.booleans(), odd_numbers, st.text(max_size=6)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(
            st.sampled_from(
                "annotations images image id image_id segmentation counts size regions shapes points label shape_type mask "
                "segments_info file_name categories name isthing visible_mask order".split()
            )
            | st.text(max_size=4),
            inner,
            max_size=5,
        ),
    ),
    max_leaves=25,
)
"""JSON of any shape, made of the words that mask files use."""

_counts = st.one_of(
    st.lists(odd_numbers, max_size=8), st.text("0123456789:;<=>?@PQ`aopz", max_size=12), st.text(max_size=4), any_json
)
run_lengths = st.fixed_dictionaries({"size": st.just(list(HW)) | st.lists(odd_numbers, max_size=3), "counts": _counts}) | any_json
"""Run-length masks, most of them wrong."""

_points = st.lists(st.tuples(odd_numbers, odd_numbers).map(list), max_size=6)
_polygon = _points.map(lambda points: [value for point in points for value in point]) | _points
_segmentation = st.one_of(st.lists(_polygon, max_size=3), _polygon, run_lengths)
_ids = st.integers(0, 3) | any_json


def _keyed(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Objects from which any field may be missing, or be something else."""
    return st.fixed_dictionaries({}, optional={name: st.one_of(field, field, field, any_json) for name, field in fields.items()})


def mask_json() -> st.SearchStrategy[object]:
    """COCO, panoptic, COCOA and LabelMe files with anything in place of anything."""
    region = _keyed(segmentation=_segmentation, visible_mask=run_lengths, order=_ids, name=st.text(max_size=5), isStuff=_ids)
    annotation = _keyed(
        id=_ids, image_id=_ids, category_id=_ids, segmentation=_segmentation, score=odd_numbers,
        regions=st.lists(region, max_size=3), segments_info=st.lists(_keyed(id=_ids, category_id=_ids), max_size=3),
        file_name=st.text(max_size=5),
    )  # fmt: skip
    image = _keyed(
        id=_ids, file_name=st.sampled_from(["desk.jpg", "a/b.png", "../x"]), height=st.just(HW[0]), width=st.just(HW[1])
    )
    kind = _keyed(id=_ids, name=st.sampled_from(["cup", "sky", "\ud800\n"]) | st.text(max_size=5), isthing=_ids)
    shape = _keyed(
        label=st.text(max_size=5), points=_points, group_id=_ids, mask=st.text(max_size=8),
        shape_type=st.sampled_from(["polygon", "rectangle", "circle", "mask", "line"]),
    )  # fmt: skip
    coco = _keyed(
        annotations=st.lists(annotation, max_size=4), images=st.lists(image, max_size=2), categories=st.lists(kind, max_size=3)
    )
    labelme = _keyed(shapes=st.lists(shape, max_size=4), imageHeight=st.just(HW[0]), imageWidth=st.just(HW[1]))
    return st.one_of(coco, labelme, _keyed(regions=st.lists(region, max_size=4)), st.lists(annotation, max_size=3))


@st.composite
def label_pictures(draw: st.DrawFn) -> bytes:
    """Label pictures in any mode and of nearly the right size, as PNG or TIFF files."""
    hw = draw(st.sampled_from([HW, HW, HW, HW[::-1], (6, 8), (1, 1)]))
    labels = draw(arrays(np.uint8, hw, elements=st.sampled_from([0, 0, 1, 2, 7, 255])))
    mode = draw(st.sampled_from(["L", "P", "1", "RGB", "RGBA", "LA", "I", "I;16", "F", "CMYK"]))
    kind = draw(st.sampled_from(["PNG", "TIFF"])) if mode not in ("F", "I", "CMYK") else "TIFF"
    file = io.BytesIO()
    image = Image.fromarray(labels)
    (Image.fromarray(labels.astype(np.uint16) * 250) if mode == "I;16" else image.convert(mode)).save(file, kind)
    return file.getvalue()


@st.composite
def damaged(draw: st.DrawFn, files: st.SearchStrategy[bytes]) -> bytes:
    """A file with a few bytes changed, taken out or repeated, or cut short."""
    data = bytearray(draw(files))
    for _ in range(draw(st.integers(0, 4))):
        k = draw(st.integers(0, max(len(data) - 1, 0)))
        match draw(st.sampled_from(["change", "cut", "repeat", "end"])):
            case "change" if data:
                data[k] = draw(st.integers(0, 255))
            case "cut":
                del data[k : k + draw(st.integers(1, 8))]
            case "repeat":
                data[k:k] = data[k : k + draw(st.integers(1, 8))]
            case "end":
                del data[k:]
    return bytes(data)


def runs_of(mask: np.ndarray) -> list[int]:
    """Lengths of the runs down the columns, empty pixels first."""
    flat = np.concatenate([[False], mask.T.ravel()])
    ends = np.flatnonzero(np.diff(flat))
    return np.diff(np.concatenate([[0], ends, [mask.size]])).astype(int).tolist()


def coco_string(runs: list[int]) -> str:
    """The COCO API's compressed form, written as its source describes it, number by number."""
    text = ""
    for k, run in enumerate(runs):
        x, more = run - (runs[k - 2] if k > 2 else 0), True
        while more:
            bits = x & 31
            x >>= 5
            more = x != (-1 if bits & 16 else 0)
            text += chr(48 + (bits | (32 if more else 0)))
    return text
