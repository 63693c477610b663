"""What a mapping may say, and what a sheet lets one guess: facts of streams, templates, proposals. Pure.

What people call things comes in as data (`Vocabulary`): nothing here knows a language.
"""
