import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import * as namespaces from "../domain/namespaces.js"
import { decoder } from "../domain/ShapeError.js"

/*
 * What each peer may do here (identity.md 2.1): as whom it may push, and which namespaces it may see and touch. A list that was
 * given and can not be read refuses every peer: who limits peers means to.
 */

/** What one peer may do. */
interface Row {
  readonly senders: ReadonlyArray<string>
  readonly namespaces: namespaces.Namespaces
}

type AllowList = ReadonlyMap<string, Row>

/** Refuses everybody. */
export const nobody: AllowList = new Map()

const MAX_PEERS = 1_024
const MAX_NAME_CHARS = 256
/** More than the longest list. */
export const MAX_BYTES = 4 * 1024 * 1024

const Name = Schema.String.pipe(Schema.maxLength(MAX_NAME_CHARS))
const Pattern = Schema.String.pipe(
  Schema.filter(namespaces.isPattern, { description: "a namespace, or a pattern such as team/* or team/**" })
)
const listOf = <A, I>(item: Schema.Schema<A, I>, most: number) =>
  Schema.optionalWith(Schema.Array(item).pipe(Schema.maxItems(most)), { exact: true, default: () => [] })

const PeerRow = Schema.Struct({
  allowed_sender_agent_ids: listOf(Name, MAX_PEERS),
  allowed_namespaces: listOf(Pattern, namespaces.MAX_PATTERNS)
})
const KEYS = new Set(Object.keys(PeerRow.fields))

const decode = decoder(
  Schema.Record({ key: Name, value: Schema.Record({ key: Schema.String, value: Schema.Unknown }) }).pipe(
    Schema.filter((peers) => Object.keys(peers).length <= MAX_PEERS, { description: `at most ${MAX_PEERS} peers` })
  )
)
const decodeRow = decoder(PeerRow)

/** The list of a JSON text, or what is wrong with it: an unknown key, too, as a limit with a slip in its name is none. */
export const parse = (text: string): Either.Either<AllowList, string> =>
  Either.gen(function*() {
    const value: unknown = yield* Either.try({ try: () => JSON.parse(text), catch: () => "it is no JSON" })
    const peers = yield* Either.mapLeft(decode(value), ({ message }) => message)
    const rows = yield* Either.all(
      Object.entries(peers).map(([peer, row]) => Either.map(readRow(peer, row), (read) => [peer, read] as const))
    )
    return rows.length === 0 ? yield* Either.left("it names no peer") : new Map(rows)
  })

const readRow = (peer: string, row: Readonly<Record<string, unknown>>): Either.Either<Row, string> =>
  Either.gen(function*() {
    const unknown = Object.keys(row).find((key) => !KEYS.has(key))
    if (unknown !== undefined) return yield* Either.left(`peer ${peer}: there is no ${unknown}`)
    const read = yield* Either.mapLeft(decodeRow(row), ({ message }) => `peer ${peer}: ${message}`)
    return { senders: read.allowed_sender_agent_ids, namespaces: read.allowed_namespaces }
  })

/** Why a sender is not taken for what it says. */
export type Mismatch = "peer_id_header_missing" | "sender_agent_id_mismatch"

/** Whether the peer of this header may push as this sender. */
export const checkSender = (
  list: AllowList,
  { claimed, header }: { readonly header: string | undefined; readonly claimed: string }
): Either.Either<void, Mismatch> => {
  const peer = header?.trim() ?? ""
  if (peer === "") return Either.left("peer_id_header_missing")
  if (claimed.trim() === "" || claimed === peer) return Either.void
  return list.get(peer)?.senders.includes(claimed) === true ? Either.void : Either.left("sender_agent_id_mismatch")
}

/** What of the namespaces a peer may see and touch: all of them only where its row says so, or nobody needs a row. */
export const namespacesOf = (
  list: AllowList,
  peer: string | undefined,
  { areOthersTrusted }: { readonly areOthersTrusted: boolean }
): namespaces.Namespaces => {
  const row = peer === undefined ? undefined : list.get(peer.trim())
  return row?.namespaces ?? (areOthersTrusted ? ["*"] : [])
}
