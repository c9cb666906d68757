import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as HttpClientError from "@effect/platform/HttpClientError"
import * as Console from "effect/Console"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Stamp from "../domain/Stamp.js"
import * as Client from "../http/Client.js"
import * as flags from "./flags.js"
import { BadUsage } from "./report.js"

/*
 * `quorate provenance | quarantine | release | revert`: what somebody wrote, and how to take it back, by a node that runs.
 */

type Inherited<E, R> = Effect.Effect<flags.Flags, E, R>

/** The node answered that it will not, or did not answer. */
class NotDone extends Data.TaggedError("NotDone")<{ readonly why: string }> {
  override get message() {
    return this.why
  }
}

const ownOf = (name: string, pseudo: string, description: string) =>
  Options.text(name).pipe(Options.withPseudoName(pseudo), Options.withDescription(description), Options.optional)

/** Which node is asked, and as whom. */
const asking = {
  url: ownOf("url", "url", "Where the node is. Default: http://127.0.0.1 and the port of the configuration."),
  keyFile: ownOf(
    "api-key-file",
    "file",
    "The file with the key that is shown to it, one with the scope admin. Default: as the configuration says (QUORATE_API_KEY)."
  ),
  agentId: ownOf("agent-id", "id", "Who does it, for the record."),
  json: Options.boolean("json").pipe(Options.withDescription("One JSON object, as the node answers it."))
}

const selecting = {
  agent: ownOf("agent", "id", "What this agent asked for, or what names it as its author."),
  peer: ownOf("peer", "node id", "What this node wrote, in all its runs."),
  origin: ownOf("origin", "node id/incarnation", "What one run of a node wrote."),
  since: ownOf("since", "time", "From this time of RFC 3339 on."),
  until: ownOf("until", "time", "Up to this one. Default: also what is yet to come.")
}

const id = Args.text({ name: "id" }).pipe(Args.withDescription("Which quarantine: quorate quarantine list has them."))

interface Asking {
  readonly url: Option.Option<string>
  readonly keyFile: Option.Option<string>
  readonly agentId: Option.Option<string>
}

/** A client of the node that is meant, and the headers of a write. */
const clientOf = <E, R>({ agentId, keyFile, url }: Asking, inherited: Inherited<E, R>) =>
  Effect.gen(function*() {
    const { settings } = yield* flags.effective({ "api-key-file": keyFile }, yield* inherited)
    const client = yield* Client.make({
      baseUrl: Option.getOrElse(url, () => `http://127.0.0.1:${settings.port}`),
      apiKey: Option.getOrUndefined(settings.apiKey)
    })
    const headers = Option.match(agentId, { onNone: () => ({}), onSome: (of) => ({ "x-agent-id": of }) })
    return { undo: client.undo, headers }
  })

/** What an error of the contract, or of the way there, says. */
const toldBy = <A, E, R>(asked: Effect.Effect<A, E, R>): Effect.Effect<A, NotDone, R> =>
  Effect.catchAll(asked, (error: unknown) =>
    Effect.gen(function*() {
      // Of an answer that the contract does not have for the route, as of every one that is for a key without the scope.
      const body = HttpClientError.isHttpClientError(error) && error._tag === "ResponseError"
        ? yield* Effect.orElseSucceed(error.response.json, () => error)
        : error
      const text = (name: string) =>
        Predicate.hasProperty(body, name) && Predicate.isString(body[name]) ? [body[name]] : []
      const said = [...text("error"), ...text("detail"), ...text("reason")]
      return yield* new NotDone({ why: said.length > 0 ? said.join(": ") : text("message")[0] ?? String(body) })
    }))

interface Selecting {
  readonly agent: Option.Option<string>
  readonly peer: Option.Option<string>
  readonly origin: Option.Option<string>
  readonly since: Option.Option<string>
  readonly until: Option.Option<string>
}

const selectorOf = ({ agent, origin, peer, since, until }: Selecting) =>
  Effect.gen(function*() {
    if (Option.isNone(agent) && Option.isNone(origin) && Option.isNone(peer)) {
      return yield* new BadUsage({ problem: "whose writes are meant: give --agent, --peer or --origin" })
    }
    const stamps = { since: yield* stampOf("--since", since), until: yield* stampOf("--until", until) }
    return {
      ...Option.match(agent, { onNone: () => ({}), onSome: (text) => ({ agent: text }) }),
      ...Option.match(peer, { onNone: () => ({}), onSome: (text) => ({ peer: text }) }),
      ...Option.match(origin, { onNone: () => ({}), onSome: (text) => ({ origin: text }) }),
      ...Option.match(stamps.since, { onNone: () => ({}), onSome: (stamp) => ({ since: stamp }) }),
      ...Option.match(stamps.until, { onNone: () => ({}), onSome: (stamp) => ({ until: stamp }) })
    }
  })

const stampOf = (flag: string, text: Option.Option<string>): Effect.Effect<Option.Option<Stamp.Stamp>, BadUsage> =>
  Option.match(text, {
    onNone: () => Effect.succeedNone,
    onSome: (given) =>
      Option.match(Stamp.parse(given), {
        onNone: () => new BadUsage({ problem: `${flag}: expected a time of RFC 3339` }),
        onSome: (stamp) => Effect.succeedSome(stamp)
      })
  })

/** Pages of the list, one after the other, to its end. */
const listing =
  (given: Selecting & Asking & { readonly json: boolean }, summary: (count: number) => string) =>
  <E, R>(inherited: Inherited<E, R>) =>
    Effect.gen(function*() {
      const selector = yield* selectorOf(given)
      const { undo } = yield* clientOf(given, inherited)
      let count = 0
      let cursor: string | null | undefined = undefined
      while (cursor !== null) {
        const from: { readonly cursor?: string } = cursor === undefined ? {} : { cursor }
        const page = yield* toldBy(undo.provenance({ urlParams: { ...selector, ...from, limit: 1000 } }))
        for (const operation of page.operations) {
          yield* Console.log(given.json ? JSON.stringify(operation) : lineOf(operation))
        }
        count += page.count
        cursor = page.cursor
      }
      if (!given.json) yield* Console.log(summary(count))
    }).pipe(Effect.provide(NodeHttpClient.layerUndici))

interface Line {
  readonly hlc: string
  readonly origin: string
  readonly kind: string
  readonly entity: string
  readonly namespace: string | null
  readonly title: string | null
  readonly stands: string | null
  readonly void: string | null
}

const lineOf = (line: Line): string =>
  [
    line.hlc,
    line.origin,
    line.kind,
    line.entity,
    ...line.namespace === null ? [] : [`in ${line.namespace}`],
    ...line.title === null ? [] : [JSON.stringify(line.title)],
    ...line.void === null ? line.stands === null ? [] : [line.stands] : [line.void]
  ].join("  ")

export const provenance = <E, R>(inherited: Inherited<E, R>) =>
  Command.make(
    "provenance",
    { ...selecting, ...asking },
    (given) => listing(given, (count) => `${count} operation(s)`)(inherited)
  ).pipe(
    Command.withDescription("List what an agent, a node or one run of a node wrote, and what became of it.")
  )

const reason = ownOf("reason", "text", "Why.")
const dryRun = Options.boolean("dry-run").pipe(
  Options.withDescription("Show what would be set aside, and set nothing aside.")
)

export const quarantine = <E, R>(inherited: Inherited<E, R>) =>
  Command.make("quarantine", { ...selecting, ...asking, reason, dryRun }, (given) =>
    given.dryRun
      ? listing(given, (count) => `${count} operation(s) would be set aside; nothing was`)(inherited)
      : Effect.gen(function*() {
        const selector = yield* selectorOf(given)
        if (Option.isNone(given.reason)) return yield* new BadUsage({ problem: "why is not known: give --reason" })
        const { headers, undo } = yield* clientOf(given, inherited)
        const set = yield* toldBy(undo.quarantine({ payload: { ...selector, reason: given.reason.value }, headers }))
        yield* Console.log(
          given.json
            ? JSON.stringify(set)
            : `${set.id} stands on ${set.quorum_acks} node(s); quorate release ends it, quorate revert takes it back for good`
        )
      }).pipe(Effect.provide(NodeHttpClient.layerUndici))).pipe(
      Command.withDescription("Set aside what an agent, a node or one run of a node wrote, on every node."),
      Command.withSubcommands([list(inherited)])
    )

const list = <E, R>(inherited: Inherited<E, R>) =>
  Command.make("list", asking, (given) =>
    Effect.gen(function*() {
      const { undo } = yield* clientOf(given, inherited)
      const { quarantines } = yield* toldBy(undo.quarantines({}))
      yield* Console.log(
        given.json
          ? JSON.stringify({ quarantines })
          : quarantines.length === 0
          ? "no quarantine stands"
          : quarantines.map(({ agent, at, by, id: of, operations, origin, peer, reason: why, since, until }) =>
            [
              of,
              ...agent === null ? [] : [`agent ${agent}`],
              ...peer === null ? [] : [`peer ${peer}`],
              ...origin === null ? [] : [`origin ${origin}`],
              ...since === null ? [] : [`since ${since}`],
              ...until === null ? [] : [`until ${until}`],
              `${operations} operation(s)`,
              `by ${by} at ${at}`,
              JSON.stringify(why)
            ].join("  ")
          ).join("\n")
      )
    }).pipe(Effect.provide(NodeHttpClient.layerUndici))).pipe(
      Command.withDescription("Show the quarantines that stand.")
    )

export const release = <E, R>(inherited: Inherited<E, R>) =>
  Command.make("release", { id, ...asking }, (given) =>
    Effect.gen(function*() {
      const { headers, undo } = yield* clientOf(given, inherited)
      const done = yield* toldBy(undo.release({ path: { id: given.id }, headers }))
      yield* Console.log(
        given.json
          ? JSON.stringify(done)
          : `${done.id} has ended on ${done.quorum_acks} node(s): what it set aside has its effect again`
      )
    }).pipe(Effect.provide(NodeHttpClient.layerUndici))).pipe(
      Command.withDescription("End a quarantine on every node.")
    )

export const revert = <E, R>(inherited: Inherited<E, R>) =>
  Command.make("revert", { id, ...asking }, (given) =>
    Effect.gen(function*() {
      const { headers, undo } = yield* clientOf(given, inherited)
      const done = yield* toldBy(undo.revert({ path: { id: given.id }, headers }))
      yield* Console.log(given.json ? JSON.stringify(done) : toldOf(done))
    }).pipe(Effect.provide(NodeHttpClient.layerUndici))).pipe(
      Command.withDescription("Write what stood before what a quarantine sets aside, for good. It can be run again.")
    )

const toldOf = (done: {
  readonly restored: number
  readonly deleted: number
  readonly archived: number
  readonly links: number
  readonly standards: number
  readonly rejected: number
  readonly left: number
}): string =>
  [
    `${done.restored} memories are as they were, ${done.deleted} deleted, ${done.archived} archived`,
    `${done.links} links, ${done.standards} entries of standards, ${done.rejected} actions rejected`,
    ...done.left === 0 ? [] : [`${done.left} votes and decisions are left, which count again after a release`]
  ].join("\n")
