"""Reductions: what adds up over pairs."""
