"""Service: a person opens a link and records in the browser; a decision about that very recording comes out.

In: a reference photo and a policy from another service, then a recording in pieces, timed by the server's clock. Out: a
decision bound to its attempt, cases that end with a person where a machine cannot decide, a signed chain of all of it.
Nothing below imports it; it needs the extra ``serve``, with PostgreSQL or an object store also ``serve-cluster``.
Read :mod:`~idverify.service.states` first, then an attempt from start to end: ``attempts``, ``capture``, ``timing``,
``judge``, ``jobs``, ``webhooks``; then ``case_states`` and ``cases``, ``chain`` and ``audit``; all is held by ``core``.
"""
