"""The engine: works through plans with a worker, and whoever drives it talks to it in lines."""
