import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Stream from "effect/Stream"
import type { Link } from "../../domain/Link.js"
import type { Memory } from "../../domain/Memory.js"
import * as Stamp from "../../domain/Stamp.js"
import type { Archived } from "../../store/read/ArchiveReader.js"
import { ExportReader } from "../../store/read/ExportReader.js"
import { hotSpan } from "../../telemetry/hotSpan.js"
import type { ReadFailed } from "../errors.js"

/** Everything that this node holds for its clients, read as it is asked for. */
export interface Exported {
  /** Expired ones included, shadows and archived ones not. */
  readonly memories: Stream.Stream<Memory, ReadFailed>
  readonly archived: Stream.Stream<Archived, ReadFailed>
  readonly links: Stream.Stream<Link, ReadFailed>
  readonly at: Stamp.Stamp
}

export const exportData: Effect.Effect<Exported, never, ExportReader> = Effect.gen(function*() {
  const { archived, links, memories } = yield* ExportReader
  return { memories, archived, links, at: Stamp.fromMillis(yield* Clock.currentTimeMillis) }
}).pipe(hotSpan("exportData"))
