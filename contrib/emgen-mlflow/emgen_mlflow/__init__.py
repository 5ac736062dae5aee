"""Logs the runs of emgen to MLflow."""
