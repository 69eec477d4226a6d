"""Trainings: the model and its plan, what was recorded of it, and the tables of that."""
