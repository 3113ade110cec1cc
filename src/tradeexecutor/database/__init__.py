"""States of many strategies in one SQL database, with every earlier save.

============================================= ==============================================================
:mod:`~tradeexecutor.database.store`          `SQLStateStore`: load, save, load an earlier save
:mod:`~tradeexecutor.database.address`        `DatabaseAddress`: where a strategy is, printed without its password
:mod:`~tradeexecutor.database.feed`           what changed since a revision, as JSON Patches
:mod:`~tradeexecutor.database.revisions`      the record of each save
:mod:`~tradeexecutor.database.parts`          how a state is split into the parts that are stored
:mod:`~tradeexecutor.database.row_index`      which parts a save has to write
:mod:`~tradeexecutor.database.schema`         the tables; `reading` and `writing` use them
:mod:`~tradeexecutor.database.connection`     connections; also `sqlite`, `postgresql`, `locks` and `failures`
:mod:`~tradeexecutor.database.verification`   checking every save; also `compaction`, `copying`, `recovery`
============================================= ==============================================================

``docs/stores.md`` lists the guarantees.
"""
