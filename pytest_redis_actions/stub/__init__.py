"""What a test holds: the stub, the handles of its operations, its options, and the report of a failed test.

May import: errors, facts, contract, operations, faults, driving, clock, observed, api, server, scenarios.
Public: action, options, stub.
"""
