import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import * as Console from "effect/Console"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { randomUUID } from "node:crypto"
import * as Held from "../access/Held.js"
import * as KeyRing from "../access/KeyRing.js"
import * as access from "../access/rules.js"
import * as signing from "../access/signing.js"
import type { Settings } from "../config/NodeConfig.js"
import * as FederationConfig from "../federation/FederationConfig.js"
import * as dispatcher from "../federation/wire/dispatcher.js"
import * as HttpPeerTransport from "../federation/wire/HttpPeerTransport.js"
import type { Peer, PeerFailed } from "../federation/wire/Peer.js"
import { type PeerAnswer, PeerTransport } from "../federation/wire/PeerTransport.js"
import * as RowsPage from "../federation/wire/RowsPage.js"
import { type Send, sending } from "../federation/wire/sending.js"
import * as table from "../store/rules/table.js"
import { type Check, fault, ok, type Status, warning, worst } from "./checks/Check.js"
import { whyRefused } from "./checks/peerAnswers.js"
import * as databaseOf from "./databaseOf.js"
import * as flags from "./flags.js"
import { Ended } from "./report.js"

/**
 * `quorate doctor peers`: asks each peer of the settings, by messages that change nothing, what it takes from this node and gives
 * to it. Ends with 0 when that is everything, 1 when something is to be looked at, 2 when a peer takes nothing.
 */
export const make = <E, R>(inherited: Effect.Effect<flags.Flags, E, R>) =>
  Command.make("peers", { settings: flags.options(), json }, ({ json, settings: own }) =>
    Effect.gen(function*() {
      const groups = [own, yield* inherited]
      const { settings } = yield* flags.effective(...groups)
      const config = yield* FederationConfig.ofSettings(settings)
      const peers = Option.match(config, { onNone: () => [], onSome: (federation) => federation.peers })
      const database = yield* databaseOf.open({ readonly: true }, ...groups)
      const nodeId = Option.getOrElse(settings.nodeId, () => databaseOf.nodeIdOf(database) ?? "")
      const rules = (yield* databaseOf.attempt(database, table.all(database)))
        .filter((rule) => access.counts(rule, settings.operatorKey))
      const judge = (host: string) => access.judge(rules, host)
      const transport = yield* transportOf(settings, judge)
      const checks = yield* Effect.forEach(peers, (peer) => examine({ peer, settings, nodeId, judge, transport }))
      const all = checks.flat()
      const status = all.length === 0 ? "ok" : worst(all)
      yield* Console.log(json ? JSON.stringify({ status, node_id: nodeId, checks: all }) : told(all))
      if (status !== "ok") return yield* new Ended({ code: CODES[status] })
    }).pipe(Effect.scoped)).pipe(
      Command.withDescription("Ask each peer what it would take from this node, and say what stands in the way.")
    )

const json = Options.boolean("json").pipe(Options.withDescription("One JSON object instead of a table."))

const CODES: Readonly<Record<Status, number>> = { ok: 0, warning: 1, fault: 2 }

type Judge = (host: string) => access.Decision

const transportOf = (settings: Settings, judge: Judge) =>
  Effect.map(
    Layer.build(
      HttpPeerTransport.layer.pipe(Layer.provide(dispatcher.layer(dispatcher.ofSettings(settings), { judge })))
    ),
    (services: Context.Context<PeerTransport>) => Context.get(services, PeerTransport)
  )

interface Asking {
  readonly peer: Peer
  readonly settings: Settings
  readonly nodeId: string
  readonly judge: Judge
  readonly transport: PeerTransport["Type"]
}

const TIMEOUT = Duration.seconds(5)

/** One row for each thing that nodes do to each other, named `peer: thing`. */
const examine = ({ judge, nodeId, peer, settings, transport }: Asking): Effect.Effect<ReadonlyArray<Check>> =>
  Effect.scoped(Effect.gen(function*() {
    const name = (thing: string) => `${peer.name}: ${thing}`
    const judged = judge(new URL(peer.url).hostname)
    if (judged.decision === "refuse") {
      return [fault(name("rules"), `rule ${judged.ruleId} of this node forbids requests to it: ${judged.reason}`)]
    }
    const clock = yield* Effect.clock
    const keys = Option.match(settings.keyDir, {
      onNone: () => KeyRing.empty,
      onSome: (folder) =>
        KeyRing.make({ folder, nowMillis: () => clock.unsafeCurrentTimeMillis(), onUnusable: () => {} })
    })
    const sign = signing.make({
      keys,
      id: nodeId,
      nowMillis: () => clock.unsafeCurrentTimeMillis(),
      makeUuid: () => randomUUID()
    })
    const { headers: shown } = yield* Held.make({ ...settings, id: nodeId, onFacts: () => {} })
    const send = sending(peer, { sign, shown }, transport)
    const headers = headersOf(settings, nodeId)
    const hello = yield* Effect.either(send({ method: "GET", path: "/api/v1/sync/hello", headers, timeout: TIMEOUT }))
    if (Either.isLeft(hello)) return [fault(name("reach"), hello.left.message)]
    const pull = yield* pulled(send, headers, { name: name("pull"), nodeId })
    return [
      hello.right.status === 404
        ? ok(name("reach"), "it answers, and is a node of ai-memory")
        : isTaken(hello.right)
        ? ok(name("reach"), "it answers")
        : fault(name("reach"), whyRefused(hello.right)),
      yield* pushed(send, headers, { name: name("push"), nodeId, lists: { memories: [], deletions: [] } }),
      pull.isDenied ? warning(name("delete"), SKIPPED) : yield* pushed(send, headers, {
        name: name("delete"),
        nodeId,
        lists: { memories: [], deletions: [randomUUID()] }
      }),
      pull.check
    ]
  }))

const headersOf = ({ apiKey, peerApiKey }: Settings, nodeId: string): Record<string, string> => ({
  "x-peer-id": nodeId,
  "x-agent-id": nodeId,
  ...Option.match(Option.orElse(peerApiKey, () => apiKey), {
    onNone: () => ({}),
    onSome: (key) => ({ "x-api-key": Redacted.value(key) })
  })
})

const isTaken = ({ status }: PeerAnswer): boolean => status >= 200 && status < 300

const pushed = (
  send: Send,
  headers: Record<string, string>,
  { lists, name, nodeId }: { readonly name: string; readonly nodeId: string; readonly lists: object }
): Effect.Effect<Check> =>
  answered(
    name,
    send({
      method: "POST",
      path: "/api/v1/sync/push",
      headers,
      body: JSON.stringify({ sender_agent_id: nodeId, ...lists, dry_run: true }),
      timeout: TIMEOUT
    }),
    () => ok(name, "it takes what this node pushes, by a dry run")
  )

/** Of an original a dry run does not tell: it takes deletions of whom it gives rows. */
const SKIPPED =
  "it skips deletions, and counts them as none: it has no row for this node in AI_MEMORY_FED_PEER_ATTESTATION, and " +
  "AI_MEMORY_FED_SYNC_TRUST_PEER is not 1 there"

const DENIED = "no_allowlist_default_deny"

const pulled = (
  send: Send,
  headers: Record<string, string>,
  { name, nodeId }: { readonly name: string; readonly nodeId: string }
): Effect.Effect<{ readonly check: Check; readonly isDenied: boolean }> =>
  Effect.gen(function*() {
    const query = new URLSearchParams({ since: "1970-01-01T00:00:00+00:00", limit: "1000", peer: nodeId })
    const asked = yield* Effect.either(
      send({ method: "GET", path: `/api/v1/sync/since?${query}`, headers, timeout: TIMEOUT })
    )
    const isDenied = Either.isRight(asked) && asked.right.body.includes(DENIED)
    return { isDenied, check: yield* answered(name, asked, ({ body }) => givenBy(name, body)) }
  })

const givenBy = (name: string, body: string): Check => {
  if (body.includes(DENIED)) {
    return warning(
      name,
      "it answers with an empty page: it has no row for this node in AI_MEMORY_FED_PEER_ATTESTATION, and " +
        "AI_MEMORY_FED_SYNC_TRUST_PEER is not 1 there"
    )
  }
  const page = RowsPage.decode(body)
  return Either.isLeft(page) || page.right.keptBack === 0
    ? ok(name, "it gives this node what it has")
    : warning(
      name,
      "it keeps back what is private to its author: it gives that to no peer on its list (AI_MEMORY_FED_PEER_ATTESTATION), " +
        "and to all that it has enrolled when it has no list, and AI_MEMORY_FED_SYNC_TRUST_PEER is 1 there"
    )
}

const answered = (
  name: string,
  asked: Effect.Effect<PeerAnswer, PeerFailed>,
  taken: (answer: PeerAnswer) => Check
): Effect.Effect<Check> =>
  Effect.match(asked, {
    onFailure: (error) => fault(name, error.message),
    onSuccess: (answer) => isTaken(answer) ? taken(answer) : fault(name, whyRefused(answer))
  })

const told = (checks: ReadonlyArray<Check>): string =>
  checks.length === 0
    ? "there are no peers in the settings"
    : checks.map(({ detail, name, status }) => `${status.padEnd(7)}  ${name}  ${detail}`).join("\n")
