"""States of many strategies in one SQL database, with every earlier save.

============================================= ==============================================================
:mod:`~tradeexecutor.database.store`          `SQLStateStore`: load, save, load as of then
:mod:`~tradeexecutor.database.feed`           what changed since a revision, as JSON Patches
:mod:`~tradeexecutor.database.revisions`      what is known about each save
:mod:`~tradeexecutor.database.parts`          how a state is cut into the parts that are stored
:mod:`~tradeexecutor.database.schema`         the tables
:mod:`~tradeexecutor.database.verification`   checking every save; also `compaction`, `copying`, `recovery`
============================================= ==============================================================

What is guaranteed is on one page: ``docs/stores.md``.
"""
