"""Lifters: one adapter per file behind the Protocol of ``base``."""
