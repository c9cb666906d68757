import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { Link } from "../../domain/Link.js"
import type { Memory } from "../../domain/Memory.js"
import type { NamespaceMeta } from "../../domain/NamespaceMeta.js"
import type { PendingAction } from "../../domain/PendingAction.js"
import * as Stamp from "../../domain/Stamp.js"
import { ExportReader } from "../../store/read/ExportReader.js"
import type { Archival } from "../../store/state/Slice.js"
import { hotSpan } from "../../telemetry/hotSpan.js"
import type { ReadFailed } from "../errors.js"
import { asOf } from "../governance/pending.js"

/** Everything that this node holds for its clients, read as it is asked for. */
export interface Exported {
  /** Visible memories, expired ones included. */
  readonly memories: Stream.Stream<Memory, ReadFailed>
  readonly archived: Stream.Stream<ArchivedRow, ReadFailed>
  /** What another memory or another version hides. */
  readonly conflicts: Stream.Stream<Memory | ArchivedRow, ReadFailed>
  readonly links: Stream.Stream<Link, ReadFailed>
  /** Which memory is the standard of which namespace. Its policy is in the metadata of that memory. */
  readonly standards: Stream.Stream<NamespaceMeta, ReadFailed>
  /** Pending actions with their votes, and how they stand: also those that are decided. */
  readonly pendings: Stream.Stream<PendingAction, ReadFailed>
  readonly at: Stamp.Stamp
}

/** A memory that is in the archive. */
type ArchivedRow = Memory & { readonly archived_at: string; readonly archive_reason: string }

export const exportData: Effect.Effect<Exported, never, ExportReader> = Effect.gen(function*() {
  const { archived, conflicts, links, memories, pendings, standards } = yield* ExportReader
  const nowMillis = yield* Clock.currentTimeMillis
  return {
    memories,
    archived: Stream.map(archived, ({ archivedAt: at, memory, reason }) => archivedRow(memory, { at, reason })),
    conflicts: Stream.map(conflicts, ({ archived: how, memory }) => how === null ? memory : archivedRow(memory, how)),
    links,
    standards,
    pendings: Stream.map(pendings, (governed) => asOf(governed, nowMillis)),
    at: Stamp.fromMillis(nowMillis)
  }
}).pipe(hotSpan("exportData"))

const archivedRow = (memory: Memory, { at, reason }: Archival): ArchivedRow => ({
  ...memory,
  archived_at: at,
  archive_reason: reason
})
