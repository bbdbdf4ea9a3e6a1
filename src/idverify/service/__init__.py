"""The service: a person opens a link, records in the browser, and the recording is decided about.

Goal: bind a recording to the attempt that it was made for. Stands on top of the library; nothing below imports it.

Where to read first: :mod:`~idverify.service.states` (what an attempt can be, and become), then one attempt from start
to end:
:mod:`~idverify.service.attempts` (a service asks), :mod:`~idverify.service.capture` (the person records, steps are
revealed), :mod:`~idverify.service.timing` (the server's clock against the recording's),
:mod:`~idverify.service.judge` (who decides, and :mod:`~idverify.isolation.walls`, behind which walls),
:mod:`~idverify.service.jobs` (a lease on an attempt), :mod:`~idverify.service.webhooks` (the service is told).
Attempts of one person belong together in a case: :mod:`~idverify.service.case_states`, :mod:`~idverify.service.cases`;
what was done, by whom and why is kept in a chain: :mod:`~idverify.service.chain`, :mod:`~idverify.service.audit`.
What holds them: :mod:`~idverify.service.core` (database, vault, clock), :mod:`~idverify.service.app` (HTTP).

Needs the extra ``serve``; with PostgreSQL or an object store also ``serve-cluster``.
"""
