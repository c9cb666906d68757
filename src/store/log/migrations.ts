import * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"

/** Marks a SQLite file as ours ("QUOR"), so that another program's database is never migrated by mistake. */
export const APPLICATION_ID = 0x51554f52

/** The tables of one node. Forward only: a migration that was released is never edited. */
export const migrations: Record<string, Effect.Effect<void, unknown, SqlClient.SqlClient>> = {
  "0001_foundation": Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    yield* sql.unsafe(`PRAGMA application_id = ${APPLICATION_ID}`)

    // Who this node is. `clock` is the highest stamp it ever issued or accepted: the hybrid clock restarts from there.
    yield* sql`CREATE TABLE node_identity (
      only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
      node_id TEXT NOT NULL,
      incarnation INTEGER NOT NULL,
      clock TEXT NOT NULL
    ) STRICT`

    // Every operation this node ever accepted, own and foreign. It is outbox, change feed and catch-up source at once.
    yield* sql`CREATE TABLE oplog (
      lsn INTEGER PRIMARY KEY,
      origin TEXT NOT NULL,
      oseq INTEGER NOT NULL,
      op_id TEXT NOT NULL,
      hlc TEXT NOT NULL,
      kind TEXT NOT NULL,
      entity TEXT NOT NULL,
      body TEXT,
      base_hlc TEXT,
      covers TEXT NOT NULL,
      hash TEXT NOT NULL,
      key_hash TEXT,
      request_hash TEXT
    ) STRICT`
    yield* sql`CREATE UNIQUE INDEX oplog_origin ON oplog (origin, oseq)`
    yield* sql`CREATE INDEX oplog_key ON oplog (key_hash) WHERE key_hash IS NOT NULL`

    yield* sql`CREATE TABLE version_vector (
      origin TEXT PRIMARY KEY,
      entry TEXT NOT NULL
    ) STRICT, WITHOUT ROWID`

    // The winning version of each memory that is not deleted. visible = 1 holds the slot (namespace, title), 0 is a shadow behind it.
    // access_count, last_accessed_at and extended_until belong to this node alone and never replicate.
    yield* sql`CREATE TABLE memories (
      rid INTEGER PRIMARY KEY,
      id TEXT NOT NULL,
      tier TEXT NOT NULL,
      namespace TEXT NOT NULL,
      title TEXT NOT NULL,
      content TEXT NOT NULL,
      tags TEXT NOT NULL,
      priority INTEGER NOT NULL,
      confidence REAL NOT NULL,
      source TEXT NOT NULL,
      access_count INTEGER NOT NULL,
      created_at TEXT NOT NULL,
      updated_at TEXT NOT NULL,
      last_accessed_at TEXT,
      expires_at TEXT,
      metadata TEXT NOT NULL,
      origin TEXT NOT NULL,
      oseq INTEGER NOT NULL,
      hash TEXT NOT NULL,
      visible INTEGER NOT NULL,
      extended_until TEXT
    ) STRICT`
    yield* sql`CREATE UNIQUE INDEX memories_id ON memories (id)`
    yield* sql`CREATE UNIQUE INDEX memories_slot ON memories (namespace, title) WHERE visible = 1`
    yield* sql`CREATE INDEX memories_shadow ON memories (namespace, title) WHERE visible = 0`
    yield* sql`CREATE INDEX memories_order ON memories (priority DESC, updated_at DESC, id) WHERE visible = 1`
    yield* sql`CREATE INDEX memories_changed ON memories (updated_at, id) WHERE visible = 1`
    yield* sql`CREATE VIRTUAL TABLE memories_fts USING fts5(
      title, content, tags, content = 'memories', content_rowid = 'rid'
    )`

    // Versions of a live memory that lost against a concurrent one which had not seen them. Their bodies are in the log.
    yield* sql`CREATE TABLE conflicts (
      memory_id TEXT NOT NULL,
      hlc TEXT NOT NULL,
      origin TEXT NOT NULL,
      oseq INTEGER NOT NULL,
      hash TEXT NOT NULL,
      PRIMARY KEY (memory_id, hlc, origin)
    ) STRICT, WITHOUT ROWID`

    // Versions ended by an operation that had seen them: they never become visible again, in whatever order they arrive.
    yield* sql`CREATE TABLE covered (
      memory_id TEXT NOT NULL,
      hlc TEXT NOT NULL,
      origin TEXT NOT NULL,
      PRIMARY KEY (memory_id, hlc, origin)
    ) STRICT, WITHOUT ROWID`

    // Ids that another memory took over, so that a later operation by the old id still lands.
    yield* sql`CREATE TABLE aliases (
      id TEXT PRIMARY KEY,
      target TEXT NOT NULL,
      hlc TEXT NOT NULL,
      origin TEXT NOT NULL
    ) STRICT, WITHOUT ROWID`

    yield* sql`CREATE TABLE peer_state (
      node_id TEXT PRIMARY KEY,
      url TEXT NOT NULL,
      protocol INTEGER NOT NULL,
      vector TEXT NOT NULL,
      skew_millis INTEGER NOT NULL,
      last_success_at TEXT NOT NULL
    ) STRICT, WITHOUT ROWID`

    yield* sql`CREATE TABLE dead_letter (
      id INTEGER PRIMARY KEY,
      peer_id TEXT NOT NULL,
      op_id TEXT NOT NULL,
      operation TEXT NOT NULL,
      reason TEXT NOT NULL,
      attempts INTEGER NOT NULL,
      failed_at TEXT NOT NULL,
      UNIQUE (peer_id, op_id)
    ) STRICT`

    yield* sql`CREATE TABLE parked (
      lsn INTEGER PRIMARY KEY REFERENCES oplog (lsn),
      waits_for TEXT NOT NULL
    ) STRICT`
  }),

  "0002_operations": Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient

    // The mark of the latest start, which the lock file beside the database has as well.
    yield* sql`CREATE TABLE last_start (
      only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
      mark TEXT NOT NULL
    ) STRICT`

    // An archived memory keeps its row (visible = 2): it claims no slot, and no list or search finds it.
    yield* sql`ALTER TABLE memories ADD COLUMN archived_at TEXT`
    yield* sql`ALTER TABLE memories ADD COLUMN archive_reason TEXT`
    yield* sql`CREATE INDEX memories_archived ON memories (archived_at DESC, id) WHERE visible = 2`
    yield* sql`CREATE INDEX memories_archived_in ON memories (namespace, archived_at DESC, id) WHERE visible = 2`

    // The live versions of everything small: links, pending actions with their votes and decisions, standards of
    // namespaces. current = 1 is the version that counts.
    yield* sql`CREATE TABLE objects (
      type TEXT NOT NULL,
      key TEXT NOT NULL,
      hlc TEXT NOT NULL,
      origin TEXT NOT NULL,
      oseq INTEGER NOT NULL,
      hash TEXT NOT NULL,
      body TEXT NOT NULL,
      current INTEGER NOT NULL,
      PRIMARY KEY (type, key, hlc, origin)
    ) STRICT, WITHOUT ROWID`
    // Versions of these that were ended, as `covered` is for memories.
    yield* sql`CREATE TABLE ended (
      type TEXT NOT NULL,
      key TEXT NOT NULL,
      hlc TEXT NOT NULL,
      origin TEXT NOT NULL,
      PRIMARY KEY (type, key, hlc, origin)
    ) STRICT, WITHOUT ROWID`
    yield* sql`CREATE INDEX objects_current ON objects (type, hlc, key) WHERE current = 1`
    yield* sql`CREATE INDEX links_source ON objects (json_extract(body, '$.source_id'))
      WHERE type = 'link' AND current = 1`
    yield* sql`CREATE INDEX links_target ON objects (json_extract(body, '$.target_id'))
      WHERE type = 'link' AND current = 1`
    yield* sql`CREATE INDEX aliases_target ON aliases (target)`

    // Sums over everything that must be equal on nodes that hold the same operations. Empty until the first start.
    yield* sql`CREATE TABLE digests (bucket INTEGER PRIMARY KEY, sum INTEGER NOT NULL) STRICT`

    yield* sql`ALTER TABLE dead_letter ADD COLUMN origin TEXT`
    yield* sql`ALTER TABLE dead_letter ADD COLUMN oseq INTEGER`
    yield* sql`ALTER TABLE dead_letter ADD COLUMN kind TEXT`
    yield* sql`ALTER TABLE dead_letter ADD COLUMN entity TEXT`
    yield* sql`ALTER TABLE dead_letter ADD COLUMN next_attempt_at TEXT`
    yield* sql`ALTER TABLE dead_letter ADD COLUMN discarded INTEGER NOT NULL DEFAULT 0`

    yield* sql`CREATE INDEX dead_letter_due ON dead_letter (peer_id, next_attempt_at) WHERE discarded = 0`

    // How far the rows of an original node were read, by its identity.
    yield* sql`CREATE TABLE legacy_cursor (
      peer_id TEXT PRIMARY KEY,
      since TEXT NOT NULL,
      swept_at TEXT NOT NULL
    ) STRICT, WITHOUT ROWID`

    // What waits for something else is state like any other: it needs no list of its own.
    yield* sql`DROP TABLE parked`
  }),

  "0003_formats": Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient

    // How an operation is written and hashed (replication/Operation): all that are older than this are of the first format.
    yield* sql`ALTER TABLE oplog ADD COLUMN format INTEGER NOT NULL DEFAULT 1`
    // Fields of a memory that this version has no word for, as a JSON object.
    yield* sql`ALTER TABLE memories ADD COLUMN carried TEXT`

    // Which versions are one: those of one thing with one twin key (replication/Operation).
    yield* sql`ALTER TABLE oplog ADD COLUMN key_turn INTEGER NOT NULL DEFAULT 0`
    yield* sql`CREATE TABLE twins (
      type TEXT NOT NULL,
      key TEXT NOT NULL,
      hlc TEXT NOT NULL,
      origin TEXT NOT NULL,
      twin_key TEXT NOT NULL,
      PRIMARY KEY (type, key, hlc, origin, twin_key)
    ) STRICT, WITHOUT ROWID`
    yield* sql`CREATE INDEX twins_of ON twins (type, key, twin_key)`
  }),

  "0004_reissued": Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient

    // Names that operations had, and have no more (replication/reissue).
    yield* sql`CREATE TABLE reissued (
      origin TEXT NOT NULL,
      oseq INTEGER NOT NULL,
      op_id TEXT NOT NULL,
      PRIMARY KEY (origin, oseq, op_id)
    ) STRICT, WITHOUT ROWID`
  }),

  "0005_room": Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient

    // Filled and emptied to find out whether a disk that was full has room again.
    yield* sql`CREATE TABLE room (
      only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
      filler BLOB NOT NULL
    ) STRICT`
  }),

  "0006_words": Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient

    // Words as domain/analysis cuts them, with a blank between two: whatever stands between blanks is a word. Of contents
    // it keeps nothing, so a row is taken out by its number alone.
    yield* sql.unsafe(`CREATE VIRTUAL TABLE memory_words USING fts5(
      title, content, tags, dates, content = '', contentless_delete = 1,
      tokenize = "ascii tokenchars '!""#$%&''()*+,-./:;<=>?@[\\]^_\`{|}~'"
    )`)
    // The words that it has, to look for one that was meant.
    yield* sql`CREATE VIRTUAL TABLE word_spellings USING fts5vocab(memory_words, row)`
    // The languages by which words in it were stemmed.
    yield* sql`CREATE TABLE word_languages (language TEXT PRIMARY KEY) STRICT, WITHOUT ROWID`

    // Rows up to this number are in the index of before, those beyond in the new one. While it is above 0 both are asked.
    yield* sql`CREATE TABLE reindexing (
      only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
      unread INTEGER NOT NULL,
      total INTEGER NOT NULL
    ) STRICT`
    yield* sql`INSERT INTO reindexing (only_row, unread, total)
      SELECT 1, coalesce(max(rid), 0), coalesce(max(rid), 0) FROM memories`
    const [held] = yield* sql`SELECT 1 FROM memories LIMIT 1`
    if (held === undefined) yield* sql`DROP TABLE memories_fts`
  }),

  "0007_vectors": Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient

    // The models whose vectors this node has had, and the vectors (store/vectors/codes) of the parts of its rows.
    // A part stands at 256 times the number of its row and its own: by whole numbers, in order, they fill their pages.
    yield* sql`CREATE TABLE embedders (
      id INTEGER PRIMARY KEY,
      name TEXT NOT NULL UNIQUE,
      dimensions INTEGER NOT NULL
    ) STRICT`
    yield* sql`CREATE TABLE vectors (
      place INTEGER PRIMARY KEY,
      embedder INTEGER NOT NULL REFERENCES embedders (id),
      vector BLOB NOT NULL
    ) STRICT`
    // What was written beside a memory: in its namespace, shortly before and after.
    yield* sql`CREATE INDEX memories_beside ON memories (namespace, created_at, id) WHERE visible = 1`
  }),

  "0008_nonces": Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient

    // As the original has it: the nonces of signed messages, so that none is taken twice.
    yield* sql`CREATE TABLE federation_nonce_cache (
      peer_id TEXT NOT NULL,
      fingerprint BLOB NOT NULL,
      last_touch INTEGER NOT NULL,
      inserted_at TEXT NOT NULL,
      PRIMARY KEY (peer_id, fingerprint)
    ) STRICT, WITHOUT ROWID`
  }),

  "0009_audit": Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient

    // As the original has it: a chain of what concerns security (store/audit/rows), which only grows.
    yield* sql`CREATE TABLE signed_events (
      id TEXT PRIMARY KEY,
      agent_id TEXT NOT NULL,
      event_type TEXT NOT NULL,
      payload_hash BLOB NOT NULL,
      signature BLOB,
      attest_level TEXT NOT NULL DEFAULT 'unsigned',
      timestamp TEXT NOT NULL,
      prev_hash BLOB NOT NULL,
      sequence INTEGER NOT NULL UNIQUE
    ) STRICT`
    for (const change of ["UPDATE", "DELETE"]) {
      yield* sql.unsafe(`CREATE TRIGGER signed_events_no_${change.toLowerCase()} BEFORE ${change} ON signed_events
        BEGIN SELECT RAISE(ABORT, 'signed_events only grows'); END`)
    }
    // A sum over all rows in their order, signed: the hash of a row alone does not go into that of the one after the next.
    yield* sql`CREATE TABLE signed_events_head (
      only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
      sequence INTEGER NOT NULL,
      sum BLOB NOT NULL,
      signature BLOB
    ) STRICT`
    // What the latest rows are about; the chain has the hashes alone.
    yield* sql`CREATE TABLE signed_event_payloads (sequence INTEGER PRIMARY KEY, payload TEXT NOT NULL) STRICT`
    yield* sql`CREATE TABLE signed_events_dlq (
      dlq_id INTEGER PRIMARY KEY,
      id TEXT NOT NULL,
      agent_id TEXT NOT NULL,
      event_type TEXT NOT NULL,
      payload_hash BLOB NOT NULL,
      signature BLOB,
      attest_level TEXT NOT NULL,
      timestamp TEXT NOT NULL,
      failure_reason TEXT NOT NULL,
      failed_at TEXT NOT NULL
    ) STRICT`
  }),

  "0010_seals": Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient

    // The seals of operations (replication/seals). Beside the log: those of old ones come later, and it is not written anew.
    yield* sql`CREATE TABLE seals (
      origin TEXT NOT NULL,
      oseq INTEGER NOT NULL,
      seal BLOB NOT NULL,
      PRIMARY KEY (origin, oseq)
    ) STRICT, WITHOUT ROWID`
    // Which operations of an origin have a seal that counts, and by which key (64 hex digits) these are made.
    yield* sql`ALTER TABLE version_vector ADD COLUMN sealed TEXT NOT NULL DEFAULT '0'`
    yield* sql`ALTER TABLE version_vector ADD COLUMN seal_key TEXT`
  }),

  "0011_rules": Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient

    // As the original has it: what the operator forbids (access/rules).
    yield* sql`CREATE TABLE governance_rules (
      id TEXT PRIMARY KEY,
      kind TEXT NOT NULL,
      matcher TEXT NOT NULL,
      severity TEXT NOT NULL CHECK (severity IN ('refuse', 'warn', 'log')),
      reason TEXT NOT NULL,
      namespace TEXT NOT NULL DEFAULT '_global',
      created_by TEXT NOT NULL,
      created_at INTEGER NOT NULL,
      enabled INTEGER NOT NULL DEFAULT 1,
      signature BLOB,
      attest_level TEXT NOT NULL DEFAULT 'unsigned'
    ) STRICT`
    yield* sql`CREATE INDEX governance_rules_kind ON governance_rules (kind, enabled)`
    // Whoever changes one, by whatever program: a node that runs sees it.
    yield* sql`CREATE TABLE governance_rules_version (
      only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
      version INTEGER NOT NULL
    ) STRICT`
    yield* sql`INSERT INTO governance_rules_version (only_row, version) VALUES (1, 0)`
    for (const change of ["INSERT", "UPDATE", "DELETE"]) {
      yield* sql.unsafe(`CREATE TRIGGER governance_rules_on_${change.toLowerCase()} AFTER ${change} ON governance_rules
        BEGIN UPDATE governance_rules_version SET version = version + 1; END`)
    }
  }),

  "0012_withheld": Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient

    // Operations that this node may not see (replication/Stub): held by their names, which count in the vector.
    yield* sql`CREATE TABLE withheld (
      place INTEGER PRIMARY KEY,
      origin TEXT NOT NULL,
      oseq INTEGER NOT NULL,
      op_id TEXT NOT NULL,
      hlc TEXT NOT NULL,
      hash TEXT NOT NULL,
      detail TEXT NOT NULL,
      ends TEXT,
      UNIQUE (origin, oseq)
    ) STRICT`
  }),

  "0013_judging": Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient

    // What held in namespaces, and since when: entries of standards, and what the memories that they point at say of governance.
    // `covers` are the versions of the same that an operation ends.
    yield* sql`CREATE TABLE rule_history (
      type TEXT NOT NULL,
      key TEXT NOT NULL,
      hlc TEXT NOT NULL,
      origin TEXT NOT NULL,
      oseq INTEGER NOT NULL,
      gives TEXT,
      covers TEXT NOT NULL,
      PRIMARY KEY (type, key, hlc, origin)
    ) STRICT, WITHOUT ROWID`
    yield* sql`CREATE INDEX rule_history_by ON rule_history (origin, oseq)`
    // Operations that registered agents.
    yield* sql`CREATE TABLE registrations (
      agent TEXT NOT NULL,
      origin TEXT NOT NULL,
      oseq INTEGER NOT NULL,
      PRIMARY KEY (agent, origin, oseq)
    ) STRICT, WITHOUT ROWID`
    yield* sql`INSERT INTO registrations (agent, origin, oseq)
      SELECT lower(substr(json_extract(body, '$.title'), 7)), origin, oseq FROM oplog
      WHERE kind = 'store' AND json_extract(body, '$.namespace') = '_agents'
        AND json_extract(body, '$.title') LIKE 'agent:%'`
    // Operations that are kept and have no effect, or not all of it: why, and what would make them be judged anew.
    yield* sql`CREATE TABLE voids (
      place INTEGER PRIMARY KEY,
      origin TEXT NOT NULL,
      oseq INTEGER NOT NULL,
      op_id TEXT NOT NULL,
      kind TEXT NOT NULL,
      entity TEXT NOT NULL,
      why TEXT NOT NULL,
      waits_for TEXT NOT NULL,
      whole INTEGER NOT NULL,
      covers TEXT NOT NULL,
      found_at TEXT NOT NULL,
      UNIQUE (origin, oseq)
    ) STRICT`
    yield* sql`CREATE INDEX voids_waiting ON voids (waits_for)`
    // What an operation ends is found by its names.
    yield* sql`CREATE INDEX oplog_stamps ON oplog (origin, hlc)`
    yield* sql`CREATE INDEX oplog_deletes ON oplog (entity) WHERE kind = 'delete'`
  }),

  "0014_undo": Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient

    // The agent that asked for an operation, where its body does not say so.
    yield* sql`ALTER TABLE oplog ADD COLUMN agent TEXT`
    // What became void or valid again, until the audit log has it.
    yield* sql`CREATE TABLE void_news (
      place INTEGER PRIMARY KEY AUTOINCREMENT,
      origin TEXT NOT NULL,
      oseq INTEGER NOT NULL,
      op_id TEXT NOT NULL,
      kind TEXT NOT NULL,
      entity TEXT NOT NULL,
      why TEXT
    ) STRICT`
  }),

  "0015_trust": Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient

    // Which keys of nodes are not good any more, in the words of who said so (access/revocation).
    yield* sql`CREATE TABLE revocations (text TEXT PRIMARY KEY) STRICT, WITHOUT ROWID`
    // By which credentials a key was known to be a node's (access/Vouched).
    yield* sql`CREATE TABLE vouchers (text TEXT PRIMARY KEY) STRICT, WITHOUT ROWID`
  }),

  "0016_subscriptions": Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient

    // How far this node has served each; what it told the others may be some seconds older.
    yield* sql`CREATE TABLE subscription_cursors (id TEXT PRIMARY KEY, cursor TEXT NOT NULL) STRICT, WITHOUT ROWID`
    // Events that a receiver did not take from this node. What they say is in the log.
    yield* sql`CREATE TABLE subscription_dead_letters (
      place INTEGER PRIMARY KEY AUTOINCREMENT,
      subscription_id TEXT NOT NULL,
      change_id TEXT NOT NULL,
      event TEXT NOT NULL,
      origin TEXT NOT NULL,
      oseq INTEGER NOT NULL,
      reason TEXT NOT NULL,
      attempts INTEGER NOT NULL,
      failed_at TEXT NOT NULL,
      UNIQUE (subscription_id, origin, oseq, event)
    ) STRICT`
  }),

  "0017_fewer_pages": Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient

    // The highest stamp that this node ever wrote or took, as of when the row was written: that of any row counts, and so does
    // what node_identity says.
    yield* sql`ALTER TABLE version_vector ADD COLUMN newest TEXT`
  }),

  "0018_fewer_pages_again": Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient

    // An index is paid for by each write: SQLite rewrites some pages of it for every few dozen rows, the more the longer its
    // entries are. What few ask for is found another way.
    yield* sql`DROP INDEX oplog_stamps`
    yield* sql`CREATE INDEX oplog_quarantines ON oplog (origin, hlc) WHERE kind = 'quarantine'`
    yield* sql`CREATE INDEX oplog_pendings ON oplog (entity) WHERE kind = 'pending'`
    yield* sql`CREATE INDEX voids_entity ON voids (entity)`
    yield* sql`DROP INDEX memories_changed`
    yield* sql`DROP INDEX memories_order`
    yield* sql`CREATE INDEX memories_order ON memories (priority, updated_at) WHERE visible = 1`

    // What digests have changed by since they were last written waits in a row of the page that each write rewrites anyway.
    yield* sql`ALTER TABLE version_vector RENAME TO marks`
    yield* sql`INSERT INTO marks (origin, entry) VALUES ('', '[]')`
    yield* sql`CREATE VIEW version_vector AS SELECT * FROM marks WHERE origin <> ''`
    yield* sql`ALTER TABLE digests RENAME TO digest_sums`
    yield* sql`CREATE VIEW digests AS
      SELECT d.bucket, (d.sum + coalesce(w.amount, 0)) % 281474976710656 AS sum
      FROM digest_sums d LEFT JOIN (
        SELECT value ->> 0 AS bucket, value ->> 1 AS amount FROM marks, json_each(marks.entry) WHERE origin = ''
      ) w ON w.bucket = d.bucket`
  }),

  "0019_site": Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient

    // The site whose memory this is, and whether it is being brought to its log; no row for a node by itself.
    yield* sql`CREATE TABLE site (
      only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
      site_id TEXT NOT NULL,
      is_moving INTEGER NOT NULL
    ) STRICT`
    // How far what each daemon of the site brought in (store/site/SiteLog) is held here.
    yield* sql`CREATE TABLE site_places (writer TEXT PRIMARY KEY, place INTEGER NOT NULL) STRICT, WITHOUT ROWID`
  }),

  "0020_votes": Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient

    // Of the log, and not of the objects: one that another has ended is judged anew all the same.
    yield* sql`CREATE INDEX oplog_votes ON oplog (lower(json_extract(body, '$.agent_id'))) WHERE kind = 'vote'`
  })
}
