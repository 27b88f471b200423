"""What every dashboard is made of, each thing once: queries, panels, thresholds, links, variables and the board.

Invariant: nothing here knows a dashboard.
"""
