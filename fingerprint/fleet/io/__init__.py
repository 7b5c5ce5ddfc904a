"""Fleets in and out: Parquet, Arrow, JSON Lines, CSV, vaults and inventory."""
