"""Whole objects as training needs them: pack files, the bank that is read of them, and scenes composed of the bank."""
