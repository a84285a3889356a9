"""From tidy metrics to tables, figures, claims and the numbers of the paper (no torch here)."""
