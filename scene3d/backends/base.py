"""The Protocols that the 3D stages know. The embedded methods and networks implement the same ones."""

from typing import Protocol, runtime_checkable

from scene3d.types import LiftedMesh, LiftInput


@runtime_checkable
class Lifter(Protocol):
    """Turns one complete object, seen from one side, into a closed textured mesh."""

    name: str

    def lift(self, obj: LiftInput, *, seed: int = 0) -> LiftedMesh:
        """Return the mesh in the lift frame. Raises ``ObjectFailed`` when this object can't be lifted this way."""
        ...
