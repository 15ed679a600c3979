"""2D half: a photo becomes complete objects (appearance, amodal mask, order) and a completed background."""
