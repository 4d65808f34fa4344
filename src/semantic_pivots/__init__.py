"""Measure, explain and improve how language models carry meaning across languages."""
