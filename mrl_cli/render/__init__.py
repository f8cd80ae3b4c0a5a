"""Renderers: from a report to text."""
