"""Engines: who computes which shard."""
