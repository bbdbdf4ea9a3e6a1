"""The database's history, one step a file; applied at the start by :func:`idverify.service.database.Database.migrate`."""
