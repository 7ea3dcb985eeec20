"""From a script to the body that a release sends: steps, the operation they describe, its records.

To add a status, begin in facts/lifecycle, then add its step in `script`.

Pure: the time is an argument, and reading changes nothing but the count of polls.

May import: errors, facts.
Public: bodies, operation, script, store.
"""
