"""Folders of models and textures that tests make themselves."""

import json
from pathlib import Path

import numpy as np
import trimesh
from PIL import Image

SHAPES = {
    "crate": ("furniture", trimesh.creation.box((1, 0.7, 0.8))),
    "bench": ("furniture", trimesh.creation.box((1.2, 0.4, 0.7))),
    "egg": ("food", trimesh.creation.icosphere(3)),
    "can": ("bottle_can_box", trimesh.creation.cylinder(0.4, 1.0)),
    "cone": ("toy_sport", trimesh.creation.cone(0.5, 1.0)),
    "bush": ("plant", trimesh.creation.capsule(0.5, 0.4)),
}
"""Name, category and shape of six models."""


def write_models(folder: Path) -> Path:
    """Six textured GLB files with an index."""
    folder.mkdir(parents=True)
    lines = []
    for k, (name, (category, mesh)) in enumerate(SHAPES.items()):
        textured(mesh, k).export(folder / f"{name}.glb")
        lines.append({"file": f"{name}.glb", "name": name, "category": category, "split": "train", "use": "train"})
    (folder / "index.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


def textured(mesh: trimesh.Trimesh, seed: int) -> trimesh.Trimesh:
    """Upright, a face of its own per triangle, with a smooth random texture."""
    mesh = mesh.copy()
    mesh.apply_transform(trimesh.transformations.rotation_matrix(-np.pi / 2, [1, 0, 0]))
    picture = Image.fromarray(np.random.default_rng(seed).integers(0, 255, (8, 8, 3), np.uint8))
    material = trimesh.visual.material.PBRMaterial(baseColorTexture=picture.resize((128, 128), Image.Resampling.BICUBIC))
    span = np.ptp(mesh.vertices, axis=0)
    uv = ((mesh.vertices - mesh.vertices.min(axis=0)) / span)[:, :2]
    visual = trimesh.visual.TextureVisuals(uv=uv, material=material)
    return trimesh.Trimesh(mesh.vertices, mesh.faces, visual=visual, process=False)


def write_textures(folder: Path) -> Path:
    """A floor, a wall, a table top, a ground and two panoramas with an index."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    lines = []
    for name, category in (("planks", "floor_wood"), ("plaster", "wall_plaster"), ("oak", "wood"), ("lawn", "grass")):
        small = Image.fromarray(rng.integers(60, 220, (8, 8, 3), np.uint8))
        small.resize((64, 64), Image.Resampling.BICUBIC).save(folder / f"{name}.png")
        lines.append({"file": f"{name}.png", "category": category, "suggest_tiles": 2})
    for name, category in (("hall", "hdri_indoor"), ("field", "hdri_outdoor")):
        rgb = np.full((16, 32, 3), 0.5, np.float16)
        rgb[3, 5] = 60.0  # a lamp or the sun
        np.savez(folder / f"{name}.npz", rgb=rgb)
        lines.append({"file": f"{name}.npz", "category": category})
    (folder / "index.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder
