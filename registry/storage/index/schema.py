"""The tables of the index, and every statement that is used in more than one place."""

from typing import Final

VERSION: Final = 5
"""Goes up with every change below; an index of another version is made anew."""

TABLES: Final = """
CREATE TABLE runs (
    id INTEGER PRIMARY KEY,
    run_id TEXT NOT NULL UNIQUE,
    place TEXT NOT NULL,                -- folder below the root: runs, or archive/2026-01
    is_archived INTEGER NOT NULL,
    status TEXT NOT NULL,               -- empty where the run cannot be read
    fault TEXT,                         -- why it cannot: an error code
    updated_at TEXT NOT NULL,
    updated_us INTEGER,                 -- the same as microseconds since 1970; NULL where it is no time
    workflow_id TEXT NOT NULL,
    task_group TEXT,
    tags TEXT NOT NULL,
    source_key TEXT NOT NULL,
    created_at TEXT NOT NULL,
    wake_at TEXT,
    words TEXT NOT NULL,                -- searched
    digest BLOB NOT NULL,
    log_size INTEGER NOT NULL,          -- of the files that the row was made from
    log_ns INTEGER NOT NULL,
    state_ns INTEGER NOT NULL
);
CREATE INDEX runs_by_status ON runs (is_archived, status, updated_at, run_id);
CREATE INDEX runs_faulty ON runs (run_id) WHERE status = '';
CREATE INDEX runs_to_wake ON runs (wake_at) WHERE wake_at IS NOT NULL;

CREATE TABLE titles (run_id TEXT PRIMARY KEY, text TEXT NOT NULL);

CREATE TABLE links (                    -- sessions of the run itself, which stand at no node
    name TEXT NOT NULL,
    run INTEGER NOT NULL,
    PRIMARY KEY (name, run)
) WITHOUT ROWID;
CREATE INDEX links_of_run ON links (run);

CREATE TABLE parts (                    -- whose runs these are, with what lists are ordered by
    run INTEGER NOT NULL,
    kind TEXT NOT NULL,                 -- workflow or agent
    name TEXT NOT NULL,
    is_archived INTEGER NOT NULL,
    status TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    run_id TEXT NOT NULL,
    PRIMARY KEY (run, kind, name)
) WITHOUT ROWID;
CREATE INDEX parts_in_order ON parts (kind, name, is_archived, status, updated_at, run_id);

CREATE TABLE nodes (
    task_id TEXT PRIMARY KEY,
    run INTEGER NOT NULL,
    public TEXT NOT NULL,               -- the task's public status
    is_running INTEGER NOT NULL,
    is_queued INTEGER NOT NULL,         -- ready work, not managed or hidden
    is_pending INTEGER NOT NULL,        -- the same, to come later
    is_open INTEGER NOT NULL,
    is_hidden INTEGER NOT NULL,
    agent_id TEXT,
    owner TEXT,                         -- of its lease, whatever its status
    overdue_at TEXT,                    -- when its worker is lost if nothing is heard
    priority INTEGER NOT NULL,
    ready_at TEXT NOT NULL,             -- empty where it never was
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    started_at TEXT,
    ended_at TEXT,
    session_key TEXT,                   -- NULL where it is the run's source_key
    child_key TEXT,
    tags TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX nodes_by_updated ON nodes (is_open, updated_at, task_id);
CREATE INDEX nodes_by_created ON nodes (created_at, task_id);
CREATE INDEX nodes_by_ended ON nodes (ended_at, task_id) WHERE ended_at IS NOT NULL;
CREATE INDEX nodes_by_agent ON nodes (agent_id, task_id) WHERE agent_id IS NOT NULL;
CREATE INDEX nodes_queued ON nodes (agent_id, priority DESC, ready_at, task_id) WHERE is_queued;
CREATE INDEX nodes_pending ON nodes (agent_id, run) WHERE is_pending;
CREATE INDEX nodes_by_owner ON nodes (owner, task_id) WHERE owner IS NOT NULL;
CREATE INDEX nodes_by_session ON nodes (session_key, task_id) WHERE session_key IS NOT NULL;
CREATE INDEX nodes_by_child ON nodes (child_key, task_id) WHERE child_key IS NOT NULL;

CREATE TABLE dirty (run_id TEXT PRIMARY KEY, pid INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE unread (run_id TEXT PRIMARY KEY, place TEXT NOT NULL, changed_ns INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX unread_by_time ON unread (changed_ns);
CREATE TABLE folders (place TEXT PRIMARY KEY, mtime_ns INTEGER NOT NULL, links INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE boot (mark TEXT NOT NULL);
"""

MARK_DIRTY: Final = "INSERT OR REPLACE INTO dirty (run_id, pid) VALUES (?, ?)"
TAKE_MARK_OFF: Final = "DELETE FROM dirty WHERE run_id = ?"
MARKED: Final = "SELECT run_id, pid FROM dirty"

RUN_HELD: Final = "SELECT id, place, log_size, log_ns, state_ns FROM runs WHERE run_id = ?"
FORGET_UNREAD: Final = "DELETE FROM unread WHERE run_id = ?"

FORGET_RUN: Final = (
    "DELETE FROM nodes WHERE task_id > :run_id || ':' AND task_id < :run_id || ';'",
    "DELETE FROM links WHERE run IN (SELECT id FROM runs WHERE run_id = :run_id)",
    "DELETE FROM parts WHERE run IN (SELECT id FROM runs WHERE run_id = :run_id)",
    "DELETE FROM titles WHERE run_id = :run_id",
    "DELETE FROM runs WHERE run_id = :run_id",
    "DELETE FROM unread WHERE run_id = :run_id",
    "DELETE FROM dirty WHERE run_id = :run_id",
)
PUT_TITLES: Final = "INSERT OR REPLACE INTO titles (run_id, text) VALUES (?, ?)"
PUT_LINK: Final = "INSERT OR IGNORE INTO links (name, run) VALUES (?, ?)"
PUT_PART: Final = (
    "INSERT INTO parts (run, kind, name, is_archived, status, updated_at, run_id) "
    "SELECT id, ?, ?, is_archived, status, updated_at, run_id FROM runs WHERE id = ?"
)
PARTS_WENT_ON: Final = "UPDATE parts SET status = ?, updated_at = ? WHERE run = (SELECT id FROM runs WHERE run_id = ?)"
DROP_PARTS: Final = "DELETE FROM parts WHERE run = ?"
DROP_TITLES: Final = "DELETE FROM titles WHERE run_id = ?"
DROP_LINKS: Final = "DELETE FROM links WHERE run = ?"
DROP_NODES: Final = "DELETE FROM nodes WHERE task_id > ? || ':' AND task_id < ? || ';'"
DROP_NODE: Final = "DELETE FROM nodes WHERE task_id = ?"

FOLDERS: Final = "SELECT place, mtime_ns, links FROM folders"
FOLDER_WENT_ON: Final = "UPDATE folders SET mtime_ns = ?, links = ? WHERE place = ? AND mtime_ns = ? AND links = ?"
FAULTY: Final = (
    "SELECT run_id, place, fault, log_size, log_ns, state_ns FROM runs INDEXED BY runs_faulty "
    "WHERE status = '' ORDER BY run_id"
)
LOOK: Final = """
    SELECT place, mtime_ns, links, (SELECT mark FROM boot), EXISTS (SELECT 1 FROM dirty), EXISTS (SELECT 1 FROM unread),
           EXISTS (SELECT 1 FROM runs INDEXED BY runs_faulty WHERE status = '')
    FROM folders
"""
ALL_FILES: Final = "SELECT run_id, place, log_size, log_ns, state_ns FROM runs"
PUT_UNREAD: Final = "INSERT OR REPLACE INTO unread (run_id, place, changed_ns) VALUES (?, ?, ?)"
NEWEST_UNREAD: Final = "SELECT run_id, place FROM unread ORDER BY changed_ns DESC LIMIT ?"
EVERY_NAME: Final = """
    SELECT run_id, place FROM (
        SELECT run_id, place, changed_ns AS at FROM unread
        UNION ALL SELECT run_id, place, state_ns FROM runs WHERE run_id NOT IN (SELECT run_id FROM unread)
    ) ORDER BY at DESC
"""

NAMES: Final = "CREATE TEMP TABLE names (run_id TEXT PRIMARY KEY, place TEXT NOT NULL)"
PUT_NAME: Final = "INSERT OR IGNORE INTO temp.names (run_id, place) VALUES (?, ?)"
FRESH_NAMES: Final = """
    SELECT run_id, place FROM temp.names
    WHERE run_id NOT IN (SELECT run_id FROM runs) AND run_id NOT IN (SELECT run_id FROM unread)
"""
GONE_NAMES: Final = """
    SELECT run_id FROM runs WHERE run_id NOT IN (SELECT run_id FROM temp.names)
    UNION SELECT run_id FROM unread WHERE run_id NOT IN (SELECT run_id FROM temp.names)
"""
MOVED_NAMES: Final = "SELECT runs.run_id FROM runs JOIN temp.names USING (run_id) WHERE runs.place <> temp.names.place"
