"""The catalogue of what a stub does to a client, its plays, their verdicts, and the score: values, no test runner.

May import: errors, facts, operations, faults, observed, api.
Public: catalogue, outcome, score, verdicts.
"""
