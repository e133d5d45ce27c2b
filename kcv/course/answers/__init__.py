"""Answers, hints and wrong answers of the exercises, a module for each notebook."""
