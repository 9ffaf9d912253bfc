"""Chat models as a source of data: prompts to paste into one, and the import of its answers."""
