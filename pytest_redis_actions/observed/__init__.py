"""What was seen, and what may be said of it: journal, timeline, assertions, coverage, rules for traces (RA201 and on).

Reads only: nothing here answers a request.

May import: errors, facts, faults, clock.
Public: coverage, journal, journal_assertions, past_end, redaction, timeline, trace_assertions, trace_rules.
"""
