"""The database's history, one step a file; :meth:`idverify.service.database.Database.migrate` applies it."""
