import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { type Plain, PlainReader } from "../../store/read/PlainReader.js"
import { hotSpan } from "../../telemetry/hotSpan.js"

/** What `getMemory` and `linksOf` come to for a memory without links, by its whole id; null where those are to be asked. */
export const getPlainly = (id: string): Effect.Effect<Plain | null, never, PlainReader> =>
  Effect.flatMap(PlainReader, (reader) => reader.get(id)).pipe(hotSpan("getPlainly"))

/** The same at once, without a span, for whoever is not kept to some namespaces. */
export const plainNow = (services: Context.Context<PlainReader>, id: string): Plain | null =>
  Context.get(services, PlainReader).now(id)

export type { Plain, PlainReader }
