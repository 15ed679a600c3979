"""Adapters, one per file: load, convert in, call, convert out. ``base`` holds the Protocols that stages know."""
