"""Scores of folders: generated against real images, predicted against true masks."""

from emgen.scores.distributions import FolderScores, score_folders
from emgen.scores.masks import evaluate_folders

__all__ = ["FolderScores", "evaluate_folders", "score_folders"]
