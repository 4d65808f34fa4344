"""`python -m semantic_pivots`: the command `pivots`."""

from semantic_pivots.cli import main

main()
