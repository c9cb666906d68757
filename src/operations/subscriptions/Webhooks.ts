import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as dns from "node:dns"
import type { LookupFunction } from "node:net"
import { Agent, buildConnector } from "undici"
import { type Allowed, whyNotAddress, whyNotUrl } from "../../access/webhooks.js"
import { NodeConfig } from "../../config/NodeConfig.js"
import { asking } from "../../federation/wire/governed.js"
import { OutboundRules } from "../../store/OutboundRules.js"

/** Why a receiver did not take an event. Nothing of its answer but the status is in it. */
export class NotTaken extends Data.TaggedError("NotTaken")<{ readonly reason: string }> {}

/** Sends to receivers of webhooks. */
export class Webhooks extends Context.Tag("quorate/operations/Webhooks")<Webhooks, {
  /** Done when the receiver answered 2xx in time. */
  readonly post: (
    url: string,
    message: { readonly headers: Readonly<Record<string, string>>; readonly body: string }
  ) => Effect.Effect<void, NotTaken>
}>() {}

/** For all of an attempt (contract.md 2.11). */
const DEADLINE = Duration.seconds(5)
const CONNECT_TIMEOUT_MILLIS = 3_000
/** Of an answer: what is in it is not looked at. */
const MAX_ANSWER_BYTES = 16 * 1024
const CONNECTIONS_PER_RECEIVER = 4
const KEEP_ALIVE_MILLIS = 10_000

/** How names become addresses. */
type Resolve = typeof dns.lookup

interface Looking extends Pick<OutboundRules["Type"], "judge"> {
  readonly resolve: Resolve
}

/**
 * Past the rules of the operator, and to no address inside: of a name those are looked at that it leads to when it is connected to,
 * and the connection goes to the one that was looked at. A redirection is an answer like any other, and not followed.
 */
export const layerWith = (
  resolve: Resolve
): Layer.Layer<Webhooks, never, NodeConfig | Effect.Effect.Context<typeof asking>> =>
  Layer.scoped(
    Webhooks,
    Effect.gen(function*() {
      const { allowLoopbackWebhooks: loopback } = yield* NodeConfig
      const ask = yield* asking
      const { judge } = yield* OutboundRules
      const agent = yield* Effect.acquireRelease(
        Effect.sync(() => agentOf({ loopback }, { judge, resolve })),
        (open) => Effect.promise(() => open.destroy())
      )
      return Webhooks.of({
        post: (url, { body, headers }) =>
          Effect.gen(function*() {
            const to = new URL(url)
            const why = whyNotUrl(to, { loopback })
            if (why !== undefined) return yield* new NotTaken({ reason: `nothing is sent there: it is ${why}` })
            const refused = ask(to)
            if (refused !== undefined) return yield* new NotTaken({ reason: refused })
            const status = yield* exchange(agent, to, { body, headers })
            if (status < 200 || status > 299) return yield* new NotTaken({ reason: `the receiver answered ${status}` })
          })
      })
    })
  )

export const layer = layerWith(dns.lookup)

const exchange = (agent: Agent, to: URL, { body, headers }: Parameters<Webhooks["Type"]["post"]>[1]) =>
  Effect.tryPromise({
    try: async (signal) => {
      const answer = await agent.request({
        origin: to.origin,
        path: `${to.pathname}${to.search}`,
        method: "POST",
        headers,
        body,
        signal
      })
      await answer.body.dump({ limit: MAX_ANSWER_BYTES, signal })
      return answer.statusCode
    },
    catch: (cause) => new NotTaken({ reason: reasonOf(cause) })
  }).pipe(
    Effect.timeoutFail({
      duration: DEADLINE,
      onTimeout: () => new NotTaken({ reason: `no answer within ${Duration.toSeconds(DEADLINE)} s` })
    })
  )

/** Words of this side: what a receiver says is in none of them. */
const reasonOf = (cause: unknown): string => {
  const error = cause instanceof Error && cause.cause instanceof Error ? cause.cause : cause
  if (error instanceof Inside) return error.message
  const code = error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined
  return `the receiver can not be reached${code === undefined ? "" : ` (${code})`}`
}

class Inside extends Error {}

const agentOf = (allowed: Allowed, looking: Looking): Agent =>
  new Agent({
    connections: CONNECTIONS_PER_RECEIVER,
    pipelining: 1,
    keepAliveTimeout: KEEP_ALIVE_MILLIS,
    connect: buildConnector({ timeout: CONNECT_TIMEOUT_MILLIS, lookup: checked(allowed, looking) })
  })

/** Resolves a name, and answers only when all of its addresses are such that may be sent to. */
const checked = (allowed: Allowed, { judge, resolve }: Looking): LookupFunction => (hostname, options, callback) =>
  resolve(hostname, { ...options, all: true }, (error, addresses) => {
    if (error !== null) return callback(error, [])
    for (const { address } of addresses) {
      const why = whyNotAddress(address, allowed)
      if (why !== undefined) return callback(new Inside(`nothing is sent there: its name leads to ${why}`), [])
      const judged = judge(address)
      if (judged.decision === "refuse") {
        return callback(new Inside(`governance refused outbound to ${address}: ${judged.reason}`), [])
      }
    }
    const [first] = addresses
    if (options.all === true || first === undefined) return callback(null, addresses)
    return callback(null, first.address, first.family)
  })
