"""The worker: the one process that loads torch, owns one device and measures on it."""
