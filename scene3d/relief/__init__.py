"""Shapes from one outline: the parts of the embedded, weight-free lifter.

Everything here works in the **work frame**: x right, y up (against gravity), z horizontal and toward the camera; the origin
lies on the crop camera's optical axis; one unit is the longest side of the silhouette at the origin's distance.
"""
