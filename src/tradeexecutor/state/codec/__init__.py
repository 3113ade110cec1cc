"""The JSON of the tree: reading, writing, and upgrading old files. `codec` is the place to start."""
