import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { NamespaceLanguages } from "../../src/domain/analysis/namespaceLanguages.js"
import { OF_FILE } from "../../src/domain/Durability.js"
import { MemoryId, NodeId, Origin } from "../../src/domain/ids.js"
import type { Memory } from "../../src/domain/Memory.js"
import * as Stamp from "../../src/domain/Stamp.js"
import * as Sqlite from "../../src/store/log/Sqlite.js"
import { MemoryStore } from "../../src/store/MemoryStore.js"
import * as MemoryReader from "../../src/store/read/MemoryReader.js"
import * as RecallReader from "../../src/store/read/RecallReader.js"
import * as Search from "../../src/store/read/Search.js"
import * as RecentTitles from "../../src/store/state/RecentTitles.js"
import * as WordIndex from "../../src/store/state/words.js"
import type { Words } from "../../src/store/wordsBehind.js"

/** The moment at which the tests read. */
export const now = Stamp.fromMillis(Date.UTC(2026, 0, 15, 12))

/** A moment so many seconds from there. */
export const after = (seconds: number, counter = 0): Stamp.Stamp =>
  Stamp.fromMillis(Stamp.toMillis(now) + seconds * 1000, counter)

/** A row of a test: a memory, and what else its row holds. */
export interface Given extends Partial<Omit<Memory, "id">> {
  readonly id: string
  readonly visible?: boolean
  readonly extendedUntil?: string
}

/** What `insert` writes is indexed by then. */
export const words: Words = { settled: Effect.void, kept: Effect.never, titles: RecentTitles.make() }

const store = Layer.mock(MemoryStore, {
  words,
  nodeId: NodeId.make("me"),
  origin: () => Origin.make("me/1"),
  sealedForm: (operation) => operation,
  sealed: () => new Map(),
  durability: () => OF_FILE,
  vector: () => new Map(),
  digest: () => 0,
  withheld: () => 0
})

/** Both readers over a migrated, empty database of their own. */
export const layer = Layer.mergeAll(MemoryReader.layer, Search.layer, RecallReader.layer).pipe(
  Layer.provideMerge(store),
  Layer.provideMerge(Sqlite.layer({ file: ":memory:" })),
  Layer.orDie
)

/** The memory of a row whose other fields do not matter. */
export const memoryOf = ({ extendedUntil: _, visible: __, ...given }: Given): Memory => ({
  tier: "mid",
  namespace: "global",
  title: `title of ${given.id}`,
  content: "content",
  tags: [],
  priority: 5,
  confidence: 1,
  source: "api",
  access_count: 0,
  created_at: now,
  updated_at: now,
  metadata: {},
  ...given,
  id: MemoryId.make(given.id)
})

/** Writes rows as the committer leaves them, the full-text index included. */
export const insert = (
  rows: ReadonlyArray<Given>,
  languages: NamespaceLanguages = new Map()
): Effect.Effect<void, never, Sqlite.Sqlite> =>
  Effect.map(Sqlite.Sqlite, ({ writer }) => {
    const row = writer.prepare(
      `INSERT INTO memories (id, tier, namespace, title, content, tags, priority, confidence, source,
        access_count, created_at, updated_at, last_accessed_at, expires_at, metadata, origin, oseq, hash, visible, extended_until)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'node/1', ?, '', ?, ?)`
    )
    const index = WordIndex.make(writer, languages)
    const logged = writer.prepare(
      `INSERT OR IGNORE INTO oplog (origin, oseq, op_id, hlc, kind, entity, covers, hash)
      VALUES ('node/1', ?, ?, ?, 'store', ?, '[]', '')`
    )
    const one = (given: Given, oseq: number) => {
      const m = memoryOf(given)
      logged.run(oseq, `op-${m.id}-${oseq}`, m.updated_at, m.id)
      const { lastInsertRowid } = row.run(
        m.id,
        m.tier,
        m.namespace,
        m.title,
        m.content,
        JSON.stringify(m.tags),
        m.priority,
        m.confidence,
        m.source,
        m.access_count,
        m.created_at,
        m.updated_at,
        m.last_accessed_at ?? null,
        m.expires_at ?? null,
        JSON.stringify(m.metadata),
        oseq,
        given.visible === false ? 0 : 1,
        given.extendedUntil ?? null
      )
      return Number(lastInsertRowid)
    }
    writer.transaction(() => {
      const [first] = rows.map((given, at) => one(given, at + 1))
      if (first !== undefined) index.index(first, first + rows.length - 1)
    })()
  })
