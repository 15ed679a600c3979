"""The 3D half's methods by name; see ``paco_core.registry``."""

from paco_core.registry import Entry, Registry

BACKENDS = Registry(
    (
        Entry(
            "lifter",
            "relief",
            "scene3d.backends.relief:ReliefLifter",
            "closed relief from the silhouette; symmetry or revolution by class",
        ),
        Entry(
            "lifter",
            "billboard",
            "scene3d.backends.billboard:BillboardLifter",
            "thin upright card: the fallback of every other lifter",
        ),
        Entry(
            "lifter", "extrusion", "scene3d.backends.extrusion:ExtrusionLifter", "the silhouette with one thickness everywhere"
        ),
        Entry("lifter", "ellipsoid", "scene3d.backends.ellipsoid:EllipsoidLifter", "an ellipsoid in the silhouette's box"),
    )
)
