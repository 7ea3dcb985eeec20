"""What the longer commands of `redis-actions` print, a module each; cli.py reads the arguments, and has the short ones.

May import: errors, facts, contract, operations, observed, server, stub.
Public: demo, diff, explain.
"""
