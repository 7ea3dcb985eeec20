"""The API without a socket: a request in, a reply out, under one lock.

To add a route, begin in facts/routes; what a request starts is in `starting`. To add a fault, begin in faults.py; which
request it meets is in `fault_schedule`, what it does to a connection in server/connection.

May import: errors, facts, operations, faults, clock, observed.
Public: endpoint, fault_schedule, http, incidents, starting.
"""
