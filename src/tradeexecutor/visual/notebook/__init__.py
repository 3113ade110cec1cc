"""The drawing functions that notebooks call (`visualise_...`), each under the module name that they import."""
