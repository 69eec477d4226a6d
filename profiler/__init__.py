"""The engine: plans, workers, measurement, telemetry, session files and reports."""
