"""How objects of the tree show themselves in notebooks and as text."""
