"""The generator's version."""

# Raised with every change that alters the bytes of a data set.
GENERATOR_VERSION = 3
