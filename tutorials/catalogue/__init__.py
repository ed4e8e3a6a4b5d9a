"""Courses and lessons: read from files, never stored."""
