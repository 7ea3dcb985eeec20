"""The API without a socket: a request in, a reply out, under one lock.

To add a route, begin in facts/routes; what a request starts is in `starting`, what goes wrong and when in
`fault_schedule`.

May import: errors, facts, operations, faults, clock, observed.
Public: endpoint, fault_schedule, http, incidents, starting.
"""
