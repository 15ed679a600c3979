"""How good is a scene."""
