import type { Origin } from "../../domain/ids.js"
import type { Memory } from "../../domain/Memory.js"
import type * as Stamp from "../../domain/Stamp.js"
import type { Part } from "../../replication/kinds.js"
import type { VersionRef } from "../../replication/Operation.js"
import type { Former } from "../../replication/reissue.js"

/*
 * The state of a node is a function of the set of operations it holds, whatever their order:
 *
 * - the live versions of a memory's id are those given and not ended; the greatest by (hlc, origin, hash) is the memory, the
 *   others are its conflicts; it is archived when that version says so;
 * - versions that one request of a client made on several nodes are one (`twinKey`): the greatest stands for all, and what
 *   ends one ends all; so is what ends a version under a name that its operation gave up (replication/reissue);
 * - a memory shows its version with all that this version has earned (`earned.ts`), which may be its end by time;
 * - of the memories that claim one slot (namespace, title) the greatest by the same order is visible, the others are shadows;
 *   an archived memory claims nothing;
 * - the memory that an approved action stores lives as long as no earlier decision of that action is known;
 * - of a link, an action or a standard the greatest live version counts; of the decisions on one action the first, for what
 *   was done can not be undone.
 *
 * The rules work on a slice: the part of the state that one operation can change, as plain values. What loads and saves a
 * slice is all that knows of a database.
 */

/** What the versions of one thing are ordered by: greatest stamp, then origin, then hash. */
export interface Order {
  readonly hlc: Stamp.Stamp
  readonly origin: Origin
  readonly hash: string
}

/** The total order of versions. */
export const isNewer = (a: Order, b: Order): boolean =>
  a.hlc !== b.hlc ? a.hlc > b.hlc : a.origin !== b.origin ? a.origin > b.origin : a.hash > b.hash

/** When and why a memory was archived. */
export interface Archival {
  readonly at: Stamp.Stamp
  readonly reason: string
}

/** A version of a memory, whole. */
export interface Version extends Order {
  readonly oseq: number
  readonly memory: Memory
  readonly archived: Archival | null
}

/** How a memory stands. */
export const places = { shadow: 0, visible: 1, archived: 2 } as const
export type Place = (typeof places)[keyof typeof places]

/** What this node alone knows of the use of a memory. It goes over from a version to the next. */
interface Use {
  readonly accessCount: number
  readonly lastAccessedAt: string | null
  readonly extendedUntil: string | null
}

/** The memory of an id as it stands: which of its versions it is, the slot it claims, and its place in that. */
export interface Row extends Order {
  readonly id: string
  readonly oseq: number
  readonly namespace: string
  readonly title: string
  readonly place: Place
  readonly use: Use
  /** Where the database keeps it; of no meaning to the rules. */
  readonly rid: number
}

/** What has versions and one of them counts, beside memories. */
export type ObjectType = Exclude<Part, "memory">

/** A live version of an object. `body` is the canonical text of its payload. */
export interface ObjectVersion {
  readonly ref: VersionRef
  readonly hash: string
  readonly body: string
}

/** What one operation can change, and all that the rules need to know for it. Whatever is missing is not there. */
export interface Slice {
  /** The memories of the ids that the operation names. */
  readonly rows: ReadonlyMap<string, Row>
  /** Of an id whose memory the operation ends, the greatest of its conflicts that the operation does not end. */
  readonly next: ReadonlyMap<string, Version>
  /** Of each slot that may change hands, by `slotKey`, the greatest claim by an id that the operation does not name. */
  readonly claims: ReadonlyMap<string, Row>
  /** The versions that it ends for ever: those that it names, and their twins as far as they are known. */
  readonly ends: ReadonlyArray<VersionRef>
  /** Twins of the version that it gives, which are older: the new one stands for them. */
  readonly older: ReadonlyArray<VersionRef>
  /** The version of a memory that it gives does not live: it or a twin of it was ended before, or a twin is newer. */
  readonly isCovered: boolean
  /** The version of an object that it gives was ended before, or a twin of it. */
  readonly isEnded: boolean
  /** The version at which the memory stands that an operation earns something for. */
  readonly standing: Version | null
  /** The live versions of the objects that the operation names, and what its memories earned, by `objectKey`, in order. */
  readonly objects: ReadonlyMap<string, ReadonlyArray<ObjectVersion>>
  /** What the operation gave under former names. */
  readonly former: Former | null
}

export const slotKey = ({ namespace, title }: { readonly namespace: string; readonly title: string }): string =>
  `${namespace.length} ${namespace} ${title}`

export const objectKey = (type: ObjectType, key: string): string => `${type} ${key}`

export const refKey = ({ hlc, id, origin }: VersionRef): string => `${hlc} ${origin} ${id}`

/** A step of the way from the state before an operation to the state after it, in the order in which they are to be taken. */
export type Change =
  /** The version never lives (again). */
  | { readonly _tag: "Covered"; readonly ref: VersionRef }
  | { readonly _tag: "ConflictDropped"; readonly ref: VersionRef }
  | { readonly _tag: "ConflictAdded"; readonly id: string; readonly version: Order & { readonly oseq: number } }
  | { readonly _tag: "RowRemoved"; readonly row: Row }
  | { readonly _tag: "RowMoved"; readonly row: Row; readonly to: Place }
  | { readonly _tag: "RowInserted"; readonly version: Version; readonly place: Place; readonly use: Use | null }
  /** The version is one of those that are one. */
  | { readonly _tag: "Keyed"; readonly type: "memory" | ObjectType; readonly ref: VersionRef; readonly twinKey: string }
  /** The version is none of those any more. */
  | {
    readonly _tag: "Unkeyed"
    readonly type: "memory" | ObjectType
    readonly ref: VersionRef
    readonly twinKey: string
  }
  /** From now on the id stands for another, unless something newer says for which. */
  | { readonly _tag: "Aliased"; readonly id: string; readonly target: string; readonly by: Omit<Order, "hash"> }
  /** The version of an object never lives (again). */
  | { readonly _tag: "ObjectEnded"; readonly type: ObjectType; readonly ref: VersionRef }
  /** The version of an object is there no longer, and may come back. */
  | { readonly _tag: "ObjectRemoved"; readonly type: ObjectType; readonly ref: VersionRef }
  | {
    readonly _tag: "ObjectAdded"
    readonly type: ObjectType
    readonly version: ObjectVersion
    readonly oseq: number
  }
  /** Another version of the object counts from now on. */
  | { readonly _tag: "ObjectCounts"; readonly type: ObjectType; readonly ref: VersionRef }

/** What became of an operation: it counts now, is behind the slot's winner, or behind a newer version of the same thing. */
export type Outcome = "applied" | "shadowed" | "superseded"

/** What an operation comes to. */
export interface Applied {
  readonly outcome: Outcome
  readonly changes: ReadonlyArray<Change>
}
