"""The machine: what can be asked of it, live, on a copied disk, or recorded."""
