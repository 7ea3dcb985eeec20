"""What ties the stub to pytest: the fixtures' objects, the hooks for score and coverage, their thresholds.

May import: errors, facts, driving, clock, observed, server, scenarios, stub.
Public: session, thresholds.
"""
