"""What an object's name says that one photo does not show: its shape, its size, what it stands on. Unknown names are neutral."""

import re
from dataclasses import dataclass
from typing import Literal

SymmetryKind = Literal["c2", "mirror"]
BOTH: frozenset[SymmetryKind] = frozenset({"c2", "mirror"})
MIRROR: frozenset[SymmetryKind] = frozenset({"mirror"})
NONE: frozenset[SymmetryKind] = frozenset()
Family = Literal["body", "revolve", "ball", "container", "box", "legged", "flat", "round flat"]


Back = Literal["mirror", "outline", "clothes"]


@dataclass(frozen=True)
class Traits:
    """Shape knowledge about a class of objects."""

    family: Family = "body"
    """``container``: revolved and open at the top. ``legged``: parts with air between them, never a balloon.
    ``flat``: lies on something horizontal; ``round flat``: the same with a circular outline."""
    symmetry: frozenset[SymmetryKind] = MIRROR
    """Vertical symmetries to look for when depth is given: the C2 axis gave chairs, sofas and animals a second front
    (docs/method.md), so it is only allowed where fronts and backs look alike."""
    thickness: float = 0.0
    """Flat things: thickness over the longer side."""
    rim: float = 0.0
    """Flat things: height of the rim over the longer side."""
    size_m: float | None = None
    """Typical size in metres, see ``size_axis``."""
    size_axis: Literal["height", "width", "longest"] = "longest"
    fill: float = 0.3
    """Containers: depth of the contents (or the bottom) below the rim over the height, where the photo shows no edge of them."""

    depth_over_width: float | None = None
    """Boxes: depth over the width of their front (vehicles: over the width of their front too, so more than 1)."""
    rounding: float = 0.0
    """Boxes: radius of the edges over the smallest side."""
    back: Back = "mirror"
    """What the unseen back looks like: the front seen through the thing, its frame (screens), or clothes and hair (people)."""

    @property
    def flat(self) -> bool:
        """Thin by nature."""
        return self.family in ("flat", "round flat")


NEUTRAL = Traits()

# Typical sizes are common catalogue or anatomical values, rounded: tableware and furniture as shops list them (seat height
# 0.45 m, table height 0.74 m, mug 95 mm), packaging as sold, adults 1.70 m, animals at adult length. They only serve to
# guess a scale and are good to about 30 %.
_TABLE: tuple[tuple[str, Traits], ...] = (
    ("bottle|wine bottle|water bottle|beer bottle|shampoo", Traits("revolve", BOTH, size_m=0.26, size_axis="height")),
    ("vase|urn|amphora|jug|ewer|pitcher|carafe|decanter", Traits("revolve", BOTH, size_m=0.28, size_axis="height")),
    (
        "jar|candle|shaker|spray can|thermos|flask|bin with lid",
        Traits("revolve", BOTH, size_m=0.15, size_axis="height"),
    ),
    ("can|tin|soda can|tin can|beer can", Traits("revolve", BOTH, size_m=0.12, size_axis="height")),
    ("wine glass|goblet|chalice|trophy|candlestick", Traits("revolve", BOTH, size_m=0.20, size_axis="height")),
    (
        "lamp|table lamp|pendant lamp|lantern|lamp shade|lampshade",
        Traits("revolve", BOTH, size_m=0.45, size_axis="height"),
    ),
    ("floor lamp|standing lamp", Traits("revolve", BOTH, size_m=1.55, size_axis="height")),
    ("teapot|kettle|coffee pot|watering can", Traits("revolve", BOTH, size_m=0.18, size_axis="height")),
    (
        "fire hydrant|hydrant|barrel|drum|fire extinguisher|extinguisher",
        Traits("revolve", BOTH, size_m=0.7, size_axis="height"),
    ),
    (
        "cylinder|pillar|column|bollard|traffic cone|cone|chess piece",
        Traits("revolve", BOTH, size_m=0.5, size_axis="height"),
    ),
    ("ball|soccer ball|basketball|tennis ball|football|globe|sphere", Traits("ball", BOTH, size_m=0.22)),
    (
        "apple|orange|peach|tomato|lemon|onion|potato|plum|nectarine|kiwi|melon|pomegranate|"
        "egg|pumpkin|grapefruit",
        Traits("ball", BOTH, size_m=0.08),
    ),
    (
        "cup|mug|coffee cup|tea cup|teacup|coffee mug|paper cup|espresso cup",
        Traits("container", BOTH, size_m=0.09, size_axis="height"),
    ),
    ("glass|tumbler|drinking glass|beaker", Traits("container", BOTH, fill=0.4, size_m=0.13, size_axis="height")),
    ("bowl|serving bowl|dish|basin|wash basin", Traits("container", BOTH, fill=0.8, size_m=0.20, size_axis="width")),
    ("pot|pan|saucepan|wok|casserole|cauldron", Traits("container", BOTH, fill=0.8, size_m=0.22, size_axis="width")),
    (
        "bucket|pail|planter|flowerpot|flower pot|plant pot|dustbin|wastebasket|trash can|bin|"
        "basket",
        Traits("container", BOTH, fill=0.8, size_m=0.30, size_axis="height"),
    ),
    ("plate|dinner plate", Traits("round flat", BOTH, 0.02, 0.07, 0.26, "width")),
    ("saucer", Traits("round flat", BOTH, 0.025, 0.09, 0.15, "width")),
    (
        "pizza|pancake|frisbee|coaster|trivet|record|cd|coin|clock|wall clock",
        Traits("round flat", BOTH, 0.05, 0.0, 0.28, "width"),
    ),
    ("spoon|fork|teaspoon|tablespoon|spatula|ladle", Traits("flat", MIRROR, 0.035, 0.0, 0.17)),
    (
        "knife|scissors|pen|pencil|ruler|key|screwdriver|wrench|toothbrush|chopstick",
        Traits("flat", MIRROR, 0.03, 0.0, 0.18),
    ),
    ("book|notebook|magazine|novel", Traits("flat", BOTH, 0.10, 0.0, 0.22)),
    ("paper|newspaper|sheet|letter|envelope|card|photo|postcard|banknote|map", Traits("flat", BOTH, 0.008, 0.0, 0.28)),
    (
        "rug|carpet|mat|door mat|doormat|bath mat|placemat|tablecloth|mousepad|towel|"
        "bath towel|hand towel|washcloth|napkin|blanket|throw",
        Traits("flat", BOTH, 0.012, 0.0, 1.2),
    ),
    ("tray|cutting board|chopping board|board", Traits("flat", BOTH, 0.05, 0.0, 0.40)),
    (
        "phone|cell phone|mobile phone|smartphone|remote|remote control|tablet|calculator|wallet",
        Traits("flat", BOTH, 0.06, 0.0, 0.15),
    ),
    ("keyboard|skateboard|snowboard|surfboard", Traits("flat", BOTH, 0.06, 0.0, 0.44)),
    (
        "box|carton|crate|package|parcel|cereal box|cardboard box|cube|dice|die|block|brick",
        Traits("box", BOTH, size_m=0.30),
    ),
    (
        "suitcase|trunk|chest|toolbox|cooler|briefcase|luggage",
        Traits("box", BOTH, size_m=0.60, depth_over_width=0.4, rounding=0.1),
    ),
    (
        "cabinet|wardrobe|cupboard|bookcase|bookshelf|shelf|dresser|chest of drawers|sideboard|"
        "locker|shelving unit",
        Traits("box", BOTH, size_m=1.0, depth_over_width=0.45, back="outline"),
    ),
    (
        "fridge|refrigerator|freezer|vending machine",
        Traits("box", BOTH, size_m=1.75, size_axis="height", depth_over_width=0.9, back="outline"),
    ),
    (
        "oven|stove|microwave|washing machine|dishwasher|toaster|printer|computer|radio|"
        "speaker|safe|heater|mailbox",
        Traits("box", BOTH, size_m=0.5, depth_over_width=0.7, back="outline"),
    ),
    ("nightstand|bedside table|drawer|ottoman|pouf|counter|kitchen island", Traits("box", BOTH, size_m=0.5)),
    ("milk carton|juice carton|milk|juice", Traits("box", BOTH, size_m=0.24, size_axis="height")),
    ("building|house|shed", Traits("box", MIRROR, size_m=2.0)),
    # length over width of what drives, as its makers state them: buses 12 × 2.5 m, lorries 7 × 2.5 m, vans 5 × 2 m
    ("bus|coach|tram|trolleybus", Traits("box", MIRROR, size_m=2.0, depth_over_width=3.5, rounding=0.12)),
    ("train|locomotive|subway|railcar", Traits("box", MIRROR, size_m=2.0, depth_over_width=4.0, rounding=0.12)),
    (
        "truck|van|container truck|lorry|minibus|ambulance|trailer",
        Traits("box", MIRROR, size_m=2.0, depth_over_width=2.6, rounding=0.12),
    ),
    ("bed|mattress", Traits("box", MIRROR, size_m=2.0, depth_over_width=1.35, rounding=0.1)),
    (
        "tv|television|monitor|screen|laptop|whiteboard|radiator",
        Traits("box", MIRROR, size_m=0.6, depth_over_width=0.4, back="outline"),
    ),
    (
        "painting|picture|frame|mirror|poster|window|door|curtain|stop sign|traffic sign|street sign|sign|blackboard|"
        "banner|shutter",
        Traits("box", MIRROR, size_m=0.6, depth_over_width=0.08),
    ),
    (
        "chair|armchair|dining chair|office chair|windsor chair|wheelchair|high chair",
        Traits("legged", NONE, size_m=0.85, size_axis="height"),
    ),
    (
        "sofa|couch|bench|loveseat|settee",
        Traits("legged", NONE, size_m=1.8, size_axis="width", depth_over_width=0.5, rounding=0.15),
    ),
    ("stool|bar stool|step stool|footstool", Traits("legged", BOTH, size_m=0.5, size_axis="height")),
    (
        "table|dining table|coffee table|desk|side table|end table|work table",
        Traits("legged", BOTH, size_m=0.74, size_axis="height"),
    ),
    (
        "ladder|easel|tripod|trolley|cart|stroller|swing|rack|clothes rack|crib|cot|piano|"
        "grand piano",
        Traits("legged", MIRROR, size_m=1.2, size_axis="height"),
    ),
    ("bicycle|bike|motorcycle|motorbike|scooter|moped", Traits("legged", MIRROR, size_m=1.9, size_axis="width")),
    (
        "person|man|woman|child|boy|girl|people|player|human|pedestrian|rider|baby",
        Traits("body", NONE, size_m=1.70, size_axis="height", back="clothes"),
    ),
    (
        "horse|cow|zebra|giraffe|elephant|camel|deer|donkey|okapi|rhino|bear|lion|tiger",
        Traits("body", NONE, size_m=2.0),
    ),
    ("dog|sheep|goat|pig|wolf|fox|panda|kangaroo|leopard", Traits("body", NONE, size_m=0.9)),
    (
        "cat|rabbit|bird|duck|chicken|rooster|pigeon|squirrel|beaver|hedgehog|fish|animal|"
        "swan",
        Traits("body", NONE, size_m=0.4),
    ),
    ("car|taxi|jeep|pickup|suv", Traits("box", MIRROR, size_m=4.3, depth_over_width=2.3, rounding=0.2)),
    ("tractor|boat|airplane|plane|helicopter", Traits("body", MIRROR, size_m=4.3)),
    (
        "teddy|teddy bear|soft toy|doll|toy|figurine|statue|bust|sculpture",
        Traits("body", MIRROR, size_m=0.3, size_axis="height", back="clothes"),
    ),
    ("plant|potted plant|tree|flower|bush|bonsai|cactus|bouquet", Traits("body", BOTH, size_m=0.6, size_axis="height")),
    ("backpack|handbag|bag|purse|shoe|boot|hat|helmet|camera|pillow|cushion", Traits("body", MIRROR, size_m=0.35)),
    ("banana|carrot|cucumber|hot dog|donut|broccoli", Traits("body", MIRROR, size_m=0.18)),
    ("bread|loaf|sandwich|cake|toast|cheese|butter", Traits("body", MIRROR, size_m=0.18, depth_over_width=0.8, rounding=0.08)),
)  # fmt: skip
TRAITS: dict[str, Traits] = {name: traits for names, traits in _TABLE for name in names.split("|")}
_IRREGULAR = {"knives": "knife", "shelves": "shelf", "bookshelves": "bookshelf", "people": "person", "men": "man",
              "women": "woman", "children": "child", "dice": "die", "glasses": "glass", "scissors": "scissors",
              "loaves": "loaf", "mice": "mouse", "geese": "goose", "wolves": "wolf"}  # fmt: skip
_CUT = re.compile(r"\b(?:with|of|on|in|for|from|and|under|behind|next|near|at|without|full|standing|lying|holding)\b")


CARRIER = frozenset(
    "table desk shelf bench sofa couch bed chair stool armchair counter cabinet cupboard dresser nightstand sideboard "
    "bookcase rack plate saucer dish tray book board mat rug carpet box crate".split()
)
"""Things that others are commonly put on."""
FLAT_TOP = frozenset(
    "table desk shelf counter cabinet cupboard dresser nightstand sideboard bookcase rack plate saucer tray book board mat rug "
    "carpet stool".split()
)
"""Of the carriers: those with a level top, on which things stand; on a sofa or in a box they lie on whatever is seen there."""
FURNITURE = frozenset(
    "table desk shelf bench sofa couch bed chair stool armchair counter cabinet cupboard dresser nightstand sideboard "
    "bookcase rack wardrobe fridge refrigerator oven stove sink toilet bathtub door".split()
)
"""Things that stand on the floor, never on each other."""
LIVING = frozenset(
    "person man woman child boy girl player rider baby dog cat horse cow sheep bird elephant giraffe zebra bear animal".split()
)
"""Their feet are where they are; they are not taken to stand on a table that they are behind."""
RIDDEN = frozenset(
    "horse elephant camel donkey cow motorcycle motorbike bicycle bike scooter skateboard surfboard snowboard ski boat".split()
)
"""Who is above one of these, with no foot on the floor, rides it."""
TABLE_TOP = frozenset(
    "cup mug glass saucer plate bowl spoon fork knife teaspoon bottle teapot pitcher jug vase candle book pen pencil phone "
    "keyboard mouse laptop apple orange banana pear lemon fruit bread cake donut sandwich pizza toast croissant egg jar can "
    "salt pepper coaster napkin coffee espresso tea salad tomato carrot".split()
)
"""Things that are mostly photographed on a table, from nearby and above."""
TABLES = frozenset("table desk counter".split())
"""What those stand on, in the picture or not."""
_KNOWN = frozenset(TRAITS) | CARRIER | FURNITURE | LIVING | RIDDEN | TABLE_TOP


def traits_of(name: str) -> Traits:
    """Traits of a name such as ``"Coffee cups"``, ``"box with lid"`` or ``"rug, flatwoven"``."""
    return TRAITS.get(deciding_phrase(name, frozenset(TRAITS)) or "", NEUTRAL)


def is_a(name: str, group: frozenset[str]) -> bool:
    """True when what ``name`` names is in ``group`` (one of the sets of words above)."""
    phrase = deciding_phrase(name, _KNOWN)
    return phrase is not None and (phrase in group or phrase.split()[-1] in group)


def deciding_phrase(name: str, known: frozenset[str]) -> str | None:
    """The words of a name that say what it is.

    English puts what a thing is last: the longest known phrase at the end of the first clause decides, then shorter and
    earlier ones. Words after a preposition describe something else and do not count.
    """
    for clause in re.split(r"[,;(/]", re.sub(r"[_\-.]+", " ", name.lower())):
        words = [_singular(w) for w in re.findall(r"[a-z]+", _CUT.split(clause)[0])]
        for end in range(len(words), 0, -1):
            for start in range(max(0, end - 3), end):
                if " ".join(words[start:end]) in known:
                    return " ".join(words[start:end])
    return None


def _singular(word: str) -> str:
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if word in TRAITS or not word.endswith("s") or word.endswith("ss") or len(word) < 4:
        return word
    for ending, instead in (("ies", "y"), ("es", ""), ("s", "")):
        if word.endswith(ending) and word[: -len(ending)] + instead in TRAITS:
            return word[: -len(ending)] + instead
    return word[:-1]
