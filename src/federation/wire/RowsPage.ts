import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import * as PeerApi from "./PeerApi.js"

/** What an original node answers to `GET /sync/since`: some of its rows. */
export interface RowsPage {
  readonly memories: ReadonlyArray<unknown>
  /** Rows of the page that it does not give to this node: 0.10.0 counts them for the page before it leaves them out. */
  readonly keptBack: number
}

const decodeText = PeerApi.decodeText(Schema.Struct({
  memories: Schema.Array(Schema.Unknown),
  excluded_for_scope: Schema.optional(Schema.Unknown),
  excluded_for_scope_private: Schema.optional(Schema.Unknown)
}))

export const decode = (text: string) =>
  Either.map(decodeText(text), ({ excluded_for_scope, excluded_for_scope_private, memories }): RowsPage => ({
    memories,
    keptBack: countOf(excluded_for_scope) + countOf(excluded_for_scope_private)
  }))

const isCount = Schema.is(Schema.Int.pipe(Schema.between(0, 1_000_000)))
const countOf = (value: unknown): number => isCount(value) ? value : 0
