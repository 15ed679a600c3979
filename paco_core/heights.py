"""How large things are in the world, by name: how tall they stand, how wide those are that hang; and who hangs at all."""

from paco_core.classes import NEUTRAL, TRAITS, deciding_phrase

_STANDING: dict[str, tuple[float, float]] = {
    # metres and the spread of their logarithm: adults and full-grown animals at the top of the back or head, vehicles by
    # common types (buses 2.9-4.3 m, lorries 2.5-4 m), furniture as shops list it
    **dict.fromkeys(("man", "woman", "person", "pedestrian", "human", "player", "rider"), (1.70, 0.12)),
    **dict.fromkeys(("child", "boy", "girl"), (1.2, 0.25)),
    **dict.fromkeys(("car", "taxi", "jeep"), (1.5, 0.12)),
    **dict.fromkeys(("van", "pickup"), (2.0, 0.2)),
    **dict.fromkeys(("bus", "truck", "lorry"), (3.0, 0.2)),
    "train": (3.8, 0.2),
    **dict.fromkeys(("motorcycle", "motorbike", "scooter", "moped", "bicycle", "bike"), (1.1, 0.15)),
    **dict.fromkeys(("horse", "camel"), (1.7, 0.2)),
    **dict.fromkeys(("cow", "zebra", "donkey", "deer", "okapi"), (1.45, 0.15)),
    "elephant": (2.7, 0.25),
    "giraffe": (4.3, 0.25),
    **dict.fromkeys(("sheep", "goat"), (0.8, 0.2)),
    "dog": (0.5, 0.35),
    "cat": (0.28, 0.3),
    **dict.fromkeys(("chair", "armchair", "couch", "sofa", "bench"), (0.85, 0.15)),
    **dict.fromkeys(("refrigerator", "fridge", "wardrobe"), (1.75, 0.15)),
    **dict.fromkeys(("table", "dining table", "desk", "toilet"), (0.74, 0.15)),
    **dict.fromkeys(("fire hydrant", "hydrant"), (0.75, 0.15)),
    "bottle": (0.27, 0.25),
    "wine glass": (0.20, 0.2),
    **dict.fromkeys(("cup", "mug"), (0.10, 0.25)),
}
_LARGEST: dict[str, float] = {
    # the longer side as it is seen, metres
    "stop sign": 0.75, "sign": 0.7, "traffic light": 0.9, "parking meter": 1.4, "tie": 0.5, "kite": 1.3,
    "airplane": 30.0, "plane": 30.0, "umbrella": 1.0, "tv": 0.9, "television": 0.9, "monitor": 0.55, "sink": 0.5, "mirror": 0.8,
    "picture": 0.6, "painting": 0.7, "poster": 0.8, "ball": 0.22, "sport ball": 0.15, "tennis racket": 0.68,
    "baseball bat": 0.85, "baseball glove": 0.3, "frisbee": 0.27, "microwave": 0.5, "skateboard": 0.8, "snowboard": 1.55,
    "surfboard": 2.0, "ski": 1.7, "boat": 5.0, "mouse": 0.11, "toaster": 0.3, "computer": 0.45, "keyboard": 0.44,
}  # fmt: skip
_HANGING = frozenset(
    {
        "clock", "wall clock", "picture", "painting", "poster", "mirror", "window", "curtain", "sign", "stop sign", "street sign",
        "traffic light", "kite", "airplane", "plane", "helicopter", "chandelier", "pendant lamp", "balloon", "frame", "tie",
        "frisbee",
    }
)  # fmt: skip
_KNOWN = frozenset(_STANDING) | frozenset(_LARGEST) | _HANGING | frozenset(TRAITS)


def standing_height(name: str) -> tuple[float, float] | None:
    """Typical height in metres of what stands upright, and the standard deviation of its logarithm."""
    return _STANDING.get(deciding_phrase(name, _KNOWN) or "")


def largest_side(name: str) -> float | None:
    """Typical length in metres of the longer side of an outline."""
    phrase = deciding_phrase(name, _KNOWN) or ""
    traits, tall = TRAITS.get(phrase, NEUTRAL), _STANDING.get(phrase)
    sizes = (_LARGEST[phrase],) if phrase in _LARGEST else (traits.size_m, tall[0] if tall else None)
    return max((size for size in sizes if size), default=None)


def has_usual_size(name: str) -> bool:
    """Whether things of this name hardly differ in size: people and cars do not, boxes and plants do."""
    phrase = deciding_phrase(name, _KNOWN)
    return phrase in _STANDING or phrase in _LARGEST


def hangs(name: str) -> bool:
    """Whether things of this name are on walls, poles or in the air, and not on the floor."""
    return deciding_phrase(name, _KNOWN) in _HANGING
