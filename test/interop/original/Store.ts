import Database from "better-sqlite3"
import * as Schema from "effect/Schema"
import { randomUUID } from "node:crypto"
import * as embeddings from "./embeddings.js"
import * as shapes from "./shapes.js"

/** Why the original's database layer refuses: a 500 for a client, `skipped` for a peer. */
export class Refused extends Error {}

const TABLES = `
  CREATE TABLE memories (
    id TEXT PRIMARY KEY, tier TEXT, namespace TEXT, title TEXT, content TEXT, tags TEXT, priority INTEGER,
    confidence REAL, source TEXT, access_count INTEGER, created_at TEXT, updated_at TEXT, last_accessed_at TEXT,
    expires_at TEXT, metadata TEXT, UNIQUE (title, namespace));
  CREATE TABLE archived_memories (
    id TEXT PRIMARY KEY, tier TEXT, namespace TEXT, title TEXT, content TEXT, tags TEXT, priority INTEGER,
    confidence REAL, source TEXT, access_count INTEGER, created_at TEXT, updated_at TEXT, last_accessed_at TEXT,
    expires_at TEXT, metadata TEXT, archived_at TEXT, archive_reason TEXT, original_tier TEXT,
    original_expires_at TEXT);
  CREATE TABLE memory_links (
    source_id TEXT REFERENCES memories (id) ON DELETE CASCADE,
    target_id TEXT REFERENCES memories (id) ON DELETE CASCADE,
    relation TEXT, created_at TEXT, signature TEXT, observed_by TEXT, valid_from TEXT, valid_until TEXT,
    attest_level TEXT, PRIMARY KEY (source_id, target_id, relation));
  CREATE TABLE namespace_meta (
    namespace TEXT PRIMARY KEY, standard_id TEXT, parent_namespace TEXT, updated_at TEXT);
  CREATE TABLE pending_actions (
    id TEXT PRIMARY KEY, action_type TEXT, memory_id TEXT, namespace TEXT, payload TEXT, requested_by TEXT,
    requested_at TEXT, status TEXT, decided_by TEXT, decided_at TEXT, approvals TEXT);
  CREATE TABLE embeddings (id TEXT PRIMARY KEY, embedding BLOB, embedding_dim INTEGER);
  CREATE TABLE sync_state (agent_id TEXT, peer_id TEXT, last_seen_at TEXT, PRIMARY KEY (agent_id, peer_id));`

/** Of the model that it has of its own. */
const DIMENSIONS = 384

const RANK = { short: 0, mid: 1, long: 2 }
export const higher = (a: shapes.Tier, b: shapes.Tier) => RANK[a] >= RANK[b] ? a : b

/** The original's database: live rows have one key in their id and another in title and namespace, and no history. */
export const make = (now: () => string) => {
  const db = new Database(":memory:")
  db.pragma("foreign_keys = ON")
  db.exec(TABLES)

  const read = <A, I>(schema: Schema.Schema<A, I>, sql: string, ...params: ReadonlyArray<unknown>) =>
    Schema.decodeUnknownSync(Schema.Array(schema))(db.prepare(sql).all(...params))
  const change = (sql: string, ...params: ReadonlyArray<unknown>) => refusing(() => db.prepare(sql).run(...params))
  const insert = (verb: string, table: string, row: Record<string, unknown>) => {
    const names = Object.keys(row)
    change(`${verb} INTO ${table} (${names.join()}) VALUES (${names.map((name) => `@${name}`).join()})`, row)
  }

  const memories = (where = "true", ...params: ReadonlyArray<unknown>) =>
    read(shapes.MemoryRow, `SELECT * FROM memories WHERE ${where}`, ...params)
  const byId = (id: string) => memories("id = ?", id)[0]
  const bySlot = ({ namespace, title }: Pick<shapes.Memory, "namespace" | "title">) =>
    memories("namespace = ? AND title = ?", namespace, title)[0]
  const add = (row: shapes.Memory) => insert("INSERT", "memories", Schema.encodeSync(shapes.MemoryRow)(row))
  const put = (row: shapes.Memory) => {
    const columns = Object.keys(shapes.MemoryRow.fields).map((name) => `${name} = @${name}`)
    change(`UPDATE memories SET ${columns.join()} WHERE id = @id`, Schema.encodeSync(shapes.MemoryRow)(row))
  }

  /** What a peer's row does: the slot decides, the local id stays, and some columns grow even from an older row. */
  const insertIfNewer = (incoming: shapes.Memory): string => {
    const local = bySlot(incoming)
    if (local === undefined) {
      add(incoming)
      return incoming.id
    }
    const isNewer = incoming.updated_at > local.updated_at ||
      (incoming.updated_at === local.updated_at && incoming.id > local.id)
    const { content, metadata, source, tags, updated_at } = isNewer ? incoming : local
    put({
      ...grown(local, incoming),
      content,
      tags,
      source,
      updated_at,
      metadata: shapes.keepOwner(metadata, local),
      access_count: Math.max(local.access_count, incoming.access_count)
    })
    return local.id
  }

  /** What a local write does to a taken slot. */
  const upsert = (incoming: shapes.Memory): string => {
    const local = bySlot(incoming)
    if (local === undefined) {
      add(incoming)
      return incoming.id
    }
    const { content, metadata, source, tags, updated_at } = incoming
    put({ ...grown(local, incoming), content, tags, source, updated_at, metadata: shapes.keepOwner(metadata, local) })
    return local.id
  }

  const remove = (id: string): boolean => {
    change("DELETE FROM namespace_meta WHERE standard_id = ?", id)
    return change("DELETE FROM memories WHERE id = ?", id).changes > 0
  }

  const archived = (where = "true", ...params: ReadonlyArray<unknown>) =>
    read(shapes.ArchivedRow, `SELECT * FROM archived_memories WHERE ${where}`, ...params)

  const archive = (id: string, reason: string): boolean => {
    const row = byId(id)
    if (row === undefined) return false
    const copy = { ...row, archived_at: now(), archive_reason: reason, original_tier: row.tier }
    const encoded = Schema.encodeSync(shapes.ArchivedRow)({ ...copy, original_expires_at: row.expires_at })
    insert("INSERT OR REPLACE", "archived_memories", encoded)
    return remove(id)
  }

  /** Refused when the id or the slot is in use. */
  const restore = (id: string): boolean => {
    const row = archived("id = ?", id)[0]
    if (row === undefined) return false
    add({ ...row, tier: row.original_tier, expires_at: row.original_expires_at, updated_at: now() })
    change("DELETE FROM archived_memories WHERE id = ?", id)
    return true
  }

  /** An existing triple stays as it is; an end that is not here breaks a foreign key. */
  const link = (row: shapes.StoredLink) =>
    insert("INSERT OR IGNORE", "memory_links", Schema.encodeSync(shapes.LinkRow)(row))

  const pendings = (where = "true", ...params: ReadonlyArray<unknown>) =>
    read(shapes.PendingRow, `SELECT * FROM pending_actions WHERE ${where} ORDER BY requested_at`, ...params)
  const putPending = (pending: shapes.PendingAction) =>
    insert("INSERT OR REPLACE", "pending_actions", Schema.encodeSync(shapes.PendingRow)(pending))

  /** The decided action, undefined when there is none or it was decided before. */
  const decide = ({ approved, decider, id }: shapes.PendingDecision): shapes.PendingAction | undefined => {
    const pending = pendings("id = ? AND status = 'pending'", id)[0]
    if (pending === undefined) return undefined
    const status = approved ? "approved" : "rejected"
    const decided = { ...pending, status, decided_by: decider, decided_at: now() }
    putPending(decided)
    return decided
  }

  const promote = (id: string): shapes.Memory => {
    const row = byId(id)
    if (row === undefined) throw new Refused("memory not found")
    const promoted = { ...row, tier: "long" as const, expires_at: null, updated_at: now() }
    put(promoted)
    return promoted
  }

  /** Runs an approved action on this node; a store makes an id of its own on every node. Answers the memory's id. */
  const execute = ({ action_type, memory_id, payload }: shapes.PendingAction): string => {
    if (action_type === "store") {
      const decoded = Schema.decodeUnknownOption(shapes.Memory)(payload)
      if (decoded._tag === "None") throw new Refused("the payload is no memory")
      const at = now()
      return upsert({ ...decoded.value, id: randomUUID(), created_at: at, updated_at: at })
    }
    if (memory_id === null) throw new Refused("no memory_id")
    if (action_type === "promote") promote(memory_id)
    else if (action_type !== "delete" || !remove(memory_id)) throw new Refused("memory not found")
    return memory_id
  }

  const namespaceMeta = (where = "true", ...params: ReadonlyArray<unknown>) =>
    read(shapes.NamespaceMeta, `SELECT * FROM namespace_meta WHERE ${where}`, ...params)
  const metaOf = (namespace: string) => namespaceMeta("namespace = ?", namespace)[0]

  /** Without a parent, the nearest prefix up to a `-` that has a standard here is taken for it. */
  const guessParent = (namespace: string): string | null => {
    const cut = namespace.lastIndexOf("-")
    if (cut <= 0) return null
    const prefix = namespace.slice(0, cut)
    return metaOf(prefix) === undefined ? guessParent(prefix) : prefix
  }

  const setStandard = (namespace: string, standardId: string, parent: string | null): shapes.NamespaceMeta => {
    if (byId(standardId) === undefined) throw new Refused("the standard memory does not exist")
    const parent_namespace = parent ?? guessParent(namespace)
    const entry = { namespace, standard_id: standardId, parent_namespace, updated_at: now() }
    insert("INSERT OR REPLACE", "namespace_meta", entry)
    return entry
  }

  /** From `*` by explicit parents and by path down to the namespace. */
  const chain = (namespace: string): ReadonlyArray<string> => {
    const parents: Array<string> = []
    for (let up = metaOf(namespace)?.parent_namespace; typeof up === "string" && parents.length < 8;) {
      if (parents.includes(up) || up === namespace) break
      parents.unshift(up)
      up = metaOf(up)?.parent_namespace
    }
    const segments = namespace.split("/")
    const paths = segments.map((_, index) => segments.slice(0, index + 1).join("/"))
    return [...new Set(["*", ...parents, ...paths])]
  }

  /** The nearest policy up the chain, with the owner of the standard that states it. */
  const policyOf = (namespace: string): (shapes.Policy & { readonly owner: string | undefined }) | undefined => {
    for (const name of [...chain(namespace)].reverse()) {
      const standard = byId(metaOf(name)?.standard_id ?? "")
      if (standard === undefined) continue
      const policy = Schema.decodeUnknownOption(shapes.Policy)(shapes.recordOf(standard.metadata)["governance"])
      if (policy._tag === "Some") return { ...policy.value, owner: shapes.ownerOf(standard) }
    }
    return undefined
  }

  const Kept = Schema.Struct({ embedding: Schema.Uint8ArrayFromSelf })
  const Seen = Schema.Struct({ peer_id: Schema.String, last_seen_at: Schema.String })
  return {
    memories,
    byId,
    bySlot,
    insertIfNewer,
    upsert,
    add,
    put,
    remove,
    archived,
    archive,
    restore,
    links: (where = "true", ...params: ReadonlyArray<unknown>) =>
      read(shapes.LinkRow, `SELECT * FROM memory_links WHERE ${where}`, ...params),
    link,
    unlink: (source: string, target: string): boolean =>
      change("DELETE FROM memory_links WHERE source_id = ? AND target_id = ?", source, target).changes > 0,
    pendings,
    putPending,
    decide,
    execute,
    promote,
    namespaceMeta,
    metaOf,
    setStandard,
    clearStandard: (namespace: string): boolean =>
      change("DELETE FROM namespace_meta WHERE namespace = ?", namespace).changes > 0,
    chain,
    policyOf,
    isRegistered: (agentId: string): boolean =>
      memories("namespace = '_agents' AND lower(title) = lower(?)", `agent:${agentId}`).length > 0,
    /** `sync_state`: the stamps one identity has seen of its peers; they only grow. */
    clockOf: (agentId: string): Record<string, string> =>
      Object.fromEntries(
        read(Seen, "SELECT * FROM sync_state WHERE agent_id = ?", agentId).map((row) => [row.peer_id, row.last_seen_at])
      ),
    saw: (agentId: string, peerId: string, at: string) =>
      change(
        `INSERT INTO sync_state VALUES (?, ?, ?)
         ON CONFLICT DO UPDATE SET last_seen_at = max(last_seen_at, excluded.last_seen_at)`,
        agentId,
        peerId,
        at
      ),
    /** Of its own dimension alone, whatever its model is called. */
    keepVector: (id: string, { dim, vector }: embeddings.Shipped) => {
      const kept = dim === DIMENSIONS && vector.length === dim ? embeddings.sanitize(vector) : null
      if (kept !== null) change("INSERT OR REPLACE INTO embeddings VALUES (?, ?, ?)", id, embeddings.blobOf(kept), dim)
    },
    vectorOf: (id: string): ReadonlyArray<number> | undefined => {
      const [row] = read(Kept, "SELECT embedding FROM embeddings WHERE id = ?", id)
      return row === undefined ? undefined : embeddings.ofBlob(Buffer.from(row.embedding))
    },
    /** All of `work` or nothing of it. */
    transaction: <A>(work: () => A): A => db.transaction(work)()
  }
}
export type Store = ReturnType<typeof make>

/** What both merges have in common: id, created_at and last_accessed_at stay local; these never go down. */
const grown = (local: shapes.Memory, incoming: shapes.Memory): shapes.Memory => {
  const tier = higher(local.tier, incoming.tier)
  return {
    ...local,
    tier,
    priority: Math.max(local.priority, incoming.priority),
    confidence: Math.max(local.confidence, incoming.confidence),
    expires_at: tier === "long" ? null : incoming.expires_at ?? local.expires_at
  }
}

const refusing = <A>(work: () => A): A => {
  try {
    return work()
  } catch (error) {
    if (error instanceof Database.SqliteError && error.code.startsWith("SQLITE_CONSTRAINT")) {
      throw new Refused(error.message, { cause: error })
    }
    throw error
  }
}
