import * as Context from "effect/Context"
import * as Data from "effect/Data"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type { Durability } from "../../domain/Durability.js"
import type { NodeId, Origin } from "../../domain/ids.js"
import type { Shared } from "../log/OpLog.js"

/** How far a daemon has written: its place counts what it brought in, from 1. */
export interface Head {
  /** The origin under which it writes. */
  readonly writer: Origin
  readonly place: number
}

/** What one transaction of a daemon brings in: it stands at the places after `after`. */
export interface Bringing {
  readonly writer: Origin
  readonly after: number
  readonly items: ReadonlyArray<Shared>
  /** Whether this daemon has heard of what stands there. */
  readonly isKnown: (head: Head) => boolean
}

/** Something that was brought in, and where it stands. */
export interface Placed {
  readonly place: number
  readonly item: Shared
}

/** Who has the background work of a site. */
export interface Lease {
  readonly holder: string
  /** Counts who had it: whoever finds a higher one has lost it. */
  readonly fence: number
}

/** The database can not be asked, or does not confirm. */
export class SiteUnavailable extends Data.TaggedError("SiteUnavailable")<{
  readonly detail: string
  /** Whether it may have taken what was brought all the same. */
  readonly isInDoubt: boolean
  /** How many standbys were to hold it as well, where it was waited for these. */
  readonly standbys?: number
}> {
  override get message() {
    return this.detail
  }
}

/** Another daemon was first: what it brought is to be heard before this is decided again. Nothing was taken. */
export class SiteAhead extends Data.TaggedError("SiteAhead")<{ readonly why: "place" | "key" }> {}

/** What is read of the log, on one server. */
export interface Reading {
  readonly heads: Effect.Effect<ReadonlyArray<Head>, SiteUnavailable>
  /** What stands after each of these places: of each writer in order, at most a page of it all, which is not empty where there is any. */
  readonly news: (
    held: ReadonlyArray<Head>
  ) => Effect.Effect<ReadonlyMap<Origin, ReadonlyArray<Placed>>, SiteUnavailable>
}

/**
 * The log that all daemons of a site share, in a database that others keep. What one of them brings is durable there before it is
 * committed here; the others hear of it by what its places have come to. What is in it stays.
 */
export class SiteLog extends Context.Tag("quorate/store/site/SiteLog")<SiteLog, {
  /** Two sites never have the same. */
  readonly siteId: string
  /** What the mesh knows all of its daemons by. */
  readonly nodeId: NodeId
  /** The same again changes nothing, so that it may be repeated after a failure that is in doubt. */
  readonly append: (bringing: Bringing) => Effect.Effect<void, SiteUnavailable | SiteAhead>
  readonly heads: Reading["heads"]
  readonly news: Reading["news"]
  /** The same as a standby has it, which may be behind; null where none was given. */
  readonly standby: Reading | null
  /** What stands after a place, in order, at most `limit`. */
  readonly after: (head: Head, limit: number) => Effect.Effect<ReadonlyArray<Placed>, SiteUnavailable>
  /** Takes or keeps the lease for so long, where nobody else has it. Answers who has it now. */
  readonly lease: (holder: string, lasts: Duration.Duration) => Effect.Effect<Lease, SiteUnavailable>
  /** Gives it up. */
  readonly release: (lease: Lease) => Effect.Effect<void, SiteUnavailable>
  /** By what the database last said of it. */
  readonly durability: () => Durability
}>() {}
