"""The JSON of the state: reading, writing, and upgrading old files. Start with `codec`."""
