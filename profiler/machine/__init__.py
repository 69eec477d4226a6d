"""The machine: which GPU it is, what NVML tells of it while it works, what its maker says of it."""
