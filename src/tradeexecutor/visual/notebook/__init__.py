"""The drawing functions for notebooks (`visualise_...`), in the modules from which notebooks import them."""
