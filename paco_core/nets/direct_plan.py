"""What both forms of the network ``pcnet`` agree on: PyTorch's, which is trained, and NumPy's, which runs."""

WIDTHS = (32, 48, 72, 112, 144)
"""Channels at 1/2, 1/4 … 1/32 of the side: 2.0 million weights."""
CHANNELS = 16
"""Of the input: colours, visible, occluder, diffused colours, mirrored colours and mask, closed gaps, colours of everything else.
Where there was a gap, masks are smaller than what they stand for: a network that is not told claims too much of exact masks, and
too little of loose ones. How far from the truth they are drawn, what the picture shows beside them tells."""
STEP = 2
"""Pixel-unshuffle at the input: the finest convolutions run at half the side, where they cost a quarter."""
MULTIPLE = STEP * 2 ** (len(WIDTHS) - 1)
"""Sides of crops are multiples of this."""
NATIVE_PX = 128
"""Side of the crops at which the priors' lengths hold; they scale with the side."""
GAP_PX = 3
"""Half the width of the widest gap between an object and what hides it that is closed."""
LEAST_KNOWN_PX = 16
"""A mask that would keep fewer pixels without its rim keeps its rim."""
BACKGROUND_COST, OCCLUDER_GAIN = 3.0, 0.5
"""What a mirrored pixel costs where background is seen, and gains where something hides the answer; 1 on the object itself."""
AXIS_PX = 64
"""Side at which the axis of symmetry is looked for."""
AXIS_STEPS = 64
"""Steps in which a pixel's agreement with its mirror image is counted, all that it can have up to ``NATIVE_PX``: the first of
equal axes is taken, on any processor."""
REACH = 0.75
"""What hides an object counts up to so many of the longer side of the visible part's box: hidden parts rarely go on
farther (such crops hold 98 to 99.8 % of the amodal area, measured)."""
MARGIN = 1.06
"""Of the longer side of the box round both."""
EMPTY_WEIGHT = 1e-6
"""Means of less weight than this are taken for sums."""
