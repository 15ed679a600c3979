"""3D half: complete objects become a placed, upright, editable scene."""
