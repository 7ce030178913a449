"""The front end for PyTorch models: every operator that reaches PyTorch's dispatcher."""
