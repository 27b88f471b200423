"""The rows of the dashboard "In depth", by layer."""
