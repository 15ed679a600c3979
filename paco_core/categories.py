"""What a name says about geometry that one photo does not show: does the thing lie flat, is it round, does it carry others?

Only everyday knowledge that helps where there is no depth; an unknown name is neutral. Matching is by words: the last
word of a name that is known decides (``red plastic coffee cup`` is a cup), plurals are folded.
"""

import re

LYING = frozenset(
    "plate saucer dish platter tray mat rug carpet towel paper newspaper magazine sheet book notebook envelope card "
    "spoon fork knife teaspoon chopstick cutlery spatula pen pencil phone smartphone tablet keyboard mouse laptop remote "
    "coaster napkin placemat pizza tile board chessboard scissors ruler key coin ".split()
)
"""Things that lie on what carries them: their extent along the floor is larger than their height."""

ROUND = frozenset("plate saucer dish platter coaster pizza coin bowl cup mug glass rim pot pan lid disc disk wheel".split())
"""Seen from above, their outline is a circle: in a photo an ellipse whose axis ratio is the sine of the view's elevation."""

CARRIER = frozenset(
    "table desk shelf shelves bench sofa couch bed chair stool armchair counter cabinet cupboard dresser nightstand sideboard "
    "bookcase rack plate saucer dish tray platter book board mat rug carpet box crate".split()
)
"""Things that others are commonly put on."""

FURNITURE = frozenset(
    "table desk shelf shelves bench sofa couch bed chair stool armchair counter cabinet cupboard dresser nightstand sideboard "
    "bookcase rack wardrobe fridge refrigerator oven stove sink toilet bathtub door".split()
)
"""Things that stand on the floor, never on each other."""

LIVING = frozenset("person man woman child boy girl people dog cat horse cow sheep bird elephant giraffe zebra bear".split())
"""Their feet are where they are; they are not taken to stand on a table that they are behind."""

TABLE_TOP = frozenset(
    "cup mug glass saucer plate bowl spoon fork knife teaspoon bottle teapot pitcher jug vase candle book pen pencil phone "
    "keyboard mouse laptop apple orange banana pear lemon fruit bread cake donut sandwich pizza toast croissant egg jar can "
    "salt pepper coaster napkin coffee espresso tea salad tomato carrot".split()
)
"""Things that are mostly photographed on a table, from nearby and above."""


def words(name: str) -> tuple[str, ...]:
    """Lower-case words of a name with simple plurals folded (``Glasses_2`` → ``glass``)."""
    found = re.findall(r"[a-z]+", name.lower())
    return tuple(_singular(w) for w in found)


def is_a(name: str, group: frozenset[str]) -> bool:
    """True when the deciding word of ``name`` (the last one that any group knows) is in ``group``."""
    known = LYING | ROUND | CARRIER | FURNITURE | LIVING | TABLE_TOP
    for word in reversed(words(name)):
        if word in known:
            return word in group
    return any(word in group for word in words(name))


def _singular(word: str) -> str:
    if word in {"glasses", "dishes", "benches", "boxes", "couches", "shelves"}:
        return {"shelves": "shelf"}.get(word, word[:-2])
    return word[:-1] if word.endswith("s") and not word.endswith("ss") and len(word) > 3 else word
