"""How networks are trained: tasks say what, one runner does the rest. Imports torch, accelerate, safetensors and Pillow alone."""
