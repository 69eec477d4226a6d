"""Training steps of GPT-2 as they are measured: the model, its steps, and the order of it all."""
