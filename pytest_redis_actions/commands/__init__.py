"""What the commands of `redis-actions` print: one module a command; cli.py reads the arguments.

May import: errors, facts, contract, operations, observed, server, stub.
Public: demo, diff, explain.
"""
