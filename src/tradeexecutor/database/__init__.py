"""States of many strategies in one SQL database, with every earlier save.

============================================= ==============================================================
:mod:`~tradeexecutor.database.store`          `SQLStateStore`: load, save, load an earlier save
:mod:`~tradeexecutor.database.address`        `DatabaseAddress`: where a strategy is, printed without its password
:mod:`~tradeexecutor.database.feed`           what changed since a revision, as JSON Patches
:mod:`~tradeexecutor.database.revisions`      what is known about each save
:mod:`~tradeexecutor.database.parts`          how a state is split into the parts that are stored
:mod:`~tradeexecutor.database.row_index`      which parts a save has to write
:mod:`~tradeexecutor.database.schema`         the tables; `reading` and `writing` are what is done with them
:mod:`~tradeexecutor.database.connection`     connections; also `sqlite`, `postgresql`, `locks` and `failures`
:mod:`~tradeexecutor.database.verification`   checking every save; also `compaction`, `copying`, `recovery`
============================================= ==============================================================

What is guaranteed is on one page: ``docs/stores.md``.
"""
