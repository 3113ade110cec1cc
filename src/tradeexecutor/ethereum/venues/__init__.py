"""Where trades are made: one module for each kind of exchange, vault or lending pool."""
