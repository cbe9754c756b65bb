"""Measurements, each run by ``python -m lightning_lossmeta.benchmarks.NAME``."""
