"""What was seen, and what may be said of it: the journal, its timeline, rules for traces, assertions, coverage.

Reads only: nothing here answers a request.

May import: errors, facts, faults, clock.
Public: coverage, journal, journal_assertions, past_end, redaction, timeline, trace_assertions, trace_rules.
"""
