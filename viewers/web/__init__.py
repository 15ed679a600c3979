"""Editors in the browser."""
