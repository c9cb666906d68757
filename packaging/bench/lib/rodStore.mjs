// The store of a measuring rod: a memory with its full-text row and its log row, durable (FULL) when `commit` returns.
import Database from "better-sqlite3"

const SCHEMA = `
  CREATE TABLE memories (
    row_id INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    namespace TEXT NOT NULL,
    title TEXT NOT NULL,
    content TEXT NOT NULL,
    tags TEXT NOT NULL,
    priority INTEGER NOT NULL,
    confidence REAL NOT NULL,
    source TEXT NOT NULL,
    metadata TEXT NOT NULL,
    content_hash TEXT NOT NULL,
    origin TEXT NOT NULL,
    stamp TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
  );
  CREATE VIRTUAL TABLE memories_fts USING fts5(
    title, content, tags, content='memories', content_rowid='row_id', tokenize='porter unicode61'
  );
  CREATE TABLE oplog (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    origin TEXT NOT NULL,
    stamp TEXT NOT NULL,
    kind TEXT NOT NULL,
    memory_id TEXT NOT NULL,
    payload TEXT NOT NULL
  );
`

const TRIGGER = `
  CREATE TRIGGER memories_to_fts AFTER INSERT ON memories BEGIN
    INSERT INTO memories_fts (rowid, title, content, tags) VALUES (new.row_id, new.title, new.content, new.tags);
  END;
`

const PRAGMAS = [
  "journal_mode = WAL",
  "synchronous = FULL",
  "cache_size = -65536",
  "mmap_size = 268435456",
  "temp_store = MEMORY"
]

const prepareAll = (db) => ({
  begin: db.prepare("BEGIN IMMEDIATE"),
  commit: db.prepare("COMMIT"),
  rollback: db.prepare("ROLLBACK"),
  memory: db.prepare(`
    INSERT INTO memories (id, namespace, title, content, tags, priority, confidence, source, metadata, content_hash,
                          origin, stamp, created_at, updated_at)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (id) DO NOTHING
  `),
  operation: db.prepare("INSERT INTO oplog (origin, stamp, kind, memory_id, payload) VALUES (?, ?, ?, ?, ?)"),
  index: db.prepare(`
    INSERT INTO memories_fts (rowid, title, content, tags)
    SELECT row_id, title, content, tags FROM memories WHERE row_id BETWEEN ? AND ?
  `),
  count: db.prepare("SELECT count(*) AS total FROM memories").pluck()
})

/**
 * `fullText`: "trigger" writes one full-text row per memory as it is inserted; "select" writes those of the whole
 * transaction with one statement at its end.
 */
export const open = (file, fullText) => {
  const db = new Database(file)
  for (const pragma of PRAGMAS) db.pragma(pragma)
  db.exec(fullText === "trigger" ? SCHEMA + TRIGGER : SCHEMA)
  const sql = prepareAll(db)

  const insert = ({ operation, text }) => {
    const { memory, origin, stamp } = operation
    const inserted = sql.memory.run(
      memory.id,
      memory.namespace,
      memory.title,
      memory.content,
      JSON.stringify(memory.tags),
      memory.priority,
      memory.confidence,
      memory.source,
      JSON.stringify(memory.metadata),
      memory.content_hash,
      origin,
      stamp,
      memory.created_at,
      memory.updated_at
    )
    sql.operation.run(origin, stamp, operation.kind, memory.id, text)
    return inserted.changes === 1 ? inserted.lastInsertRowid : undefined
  }

  const insertAll = (entries) => {
    let first
    let last
    for (const entry of entries) {
      const rowId = insert(entry)
      first ??= rowId
      last = rowId ?? last
    }
    if (fullText === "select" && first !== undefined) sql.index.run(first, last)
  }

  return {
    /** One transaction for all entries (`{ operation, text }`, the text being the operation's JSON). */
    commit: (entries) => {
      sql.begin.run()
      try {
        insertAll(entries)
        sql.commit.run()
      } catch (error) {
        if (db.inTransaction) sql.rollback.run()
        throw error
      }
    },
    total: () => sql.count.get()
  }
}
