"""What the documents say, as data: releases, lifecycles, routes, permissions, request fields.

Each fact names its row of schemas/evidence.md. Nothing here knows a request, a clock or a test.

May import: errors.
Public: access, bundled, lifecycle, parameters, releases, routes.
"""
