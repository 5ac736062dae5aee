"""Readers for emgen through RosettaSciIO."""
