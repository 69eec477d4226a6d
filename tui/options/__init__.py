"""What a person typed, and the plan that comes of it, or the refusal."""
