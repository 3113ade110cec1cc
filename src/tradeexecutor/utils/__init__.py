"""Import paths that existing strategies use; each module re-exports names from the package that owns them."""
