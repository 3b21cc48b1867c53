"""What all tests share. Generated examples follow from the tests' names alone, so a run repeats."""

from hypothesis import settings

settings.register_profile("repeatable", deadline=None, derandomize=True, max_examples=100)
settings.load_profile("repeatable")
