"""What is to be measured: shapes, implementations, and when it is enough."""
