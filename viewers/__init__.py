"""People look, move, undo, export. The top of the arrows: nothing imports this package."""
