"""Kernels as operations that torch can differentiate, and kernels of our own.

These modules need torch, and some a package's extension, as they are loaded: only `prepare`
functions import them.
"""
