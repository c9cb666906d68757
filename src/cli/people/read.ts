import * as Command from "@effect/cli/Command"
import * as Schema from "effect/Schema"
import * as answer from "./answer.js"
import * as flags from "./flags.js"
import { named, pathOf } from "./ids.js"
import { andMore, listed, Memory, shortIds, whole } from "./memories.js"
import { onOneLine, type Screen } from "./screen.js"
import { table } from "./table.js"

const Found = Schema.Struct({
  memory: Memory,
  links: Schema.Array(Schema.Struct({ source_id: Schema.String, target_id: Schema.String, relation: Schema.String }))
})

/** `quorate get`: one memory. */
export const get = () =>
  Command.make(
    "get",
    { id: flags.id, ...answer.options },
    (given) =>
      named(
        given.id,
        answer.answer(given, { method: "GET", path: pathOf(given.id) }, Found, ({ links, memory }, screen) => {
          const short = shortIds(links.flatMap(({ source_id, target_id }) => [source_id, target_id]))
          return [
            whole(memory, screen),
            ...(links.length === 0 ? [] : [""]),
            ...links.map(({ relation, source_id, target_id }) =>
              source_id === memory.id
                ? `${onOneLine(relation)} → ${short(target_id)}`
                : `${short(source_id)} → ${onOneLine(relation)}`
            )
          ].join("\n")
        })
      )
  ).pipe(Command.withDescription("Read a memory, with its links."))

const Listed = Schema.Struct({ memories: Schema.Array(Memory), truncated: Schema.optional(Schema.Boolean) })

/** `quorate list`: memories, a line each. */
export const list = () =>
  Command.make("list", {
    namespace: flags.namespace,
    tier: flags.tier,
    tag: flags.tag,
    agent: flags.text("agent", "id", "Only what this agent wrote first."),
    since: flags.since,
    until: flags.until,
    limit: flags.limit,
    offset: flags.offset,
    ...answer.options
  }, (given) =>
    answer.answer(
      given,
      {
        method: "GET",
        path: "/api/v1/memories",
        query: {
          namespace: given.namespace,
          tier: given.tier,
          tags: given.tag,
          agent_id: given.agent,
          since: given.since,
          until: given.until,
          limit: given.limit,
          offset: given.offset
        }
      },
      Listed,
      ({ memories, truncated }, screen) =>
        memories.length === 0 ? "there are none" : listed(memories, screen) + andMore(truncated, screen)
    )).pipe(
      Command.withDescription("List memories: those of most weight first, then the latest.")
    )

const Counts = Schema.Array(Schema.Struct({ namespace: Schema.String, count: Schema.Number }))

/** `quorate namespaces`: where memories are. */
export const namespaces = () =>
  Command.make("namespaces", answer.options, (given) =>
    answer.answer(
      given,
      { method: "GET", path: "/api/v1/namespaces" },
      Schema.Struct({ namespaces: Counts }),
      (answered, screen) => counts(answered.namespaces, screen)
    )).pipe(Command.withDescription("List the namespaces, with how many memories each has."))

const counts = (rows: typeof Counts.Type, screen: Screen): string =>
  rows.length === 0
    ? "there are none"
    : table(
      screen,
      [{ title: "NAMESPACE", isCut: true }, { title: "MEMORIES", isNumber: true }],
      rows.map(({ count, namespace }) => [onOneLine(namespace), String(count)])
    )

const Stats = Schema.Struct({
  total: Schema.Number,
  by_tier: Schema.Array(Schema.Struct({ tier: Schema.String, count: Schema.Number })),
  by_namespace: Counts,
  expiring_soon: Schema.Number,
  links_count: Schema.Number,
  db_size_bytes: Schema.Number
})

const MIB = 1024 * 1024

/** `quorate stats`: how much there is. */
export const stats = () =>
  Command.make(
    "stats",
    answer.options,
    (given) =>
      answer.answer(given, { method: "GET", path: "/api/v1/stats" }, Stats, (told, screen) => {
        const facts = [
          ["memories", String(told.total)],
          ...told.by_tier.map(({ count, tier }) => [`  ${onOneLine(tier)}`, String(count)]),
          ["expire within an hour", String(told.expiring_soon)],
          ["links", String(told.links_count)],
          ["database, MiB", (told.db_size_bytes / MIB).toFixed(1)]
        ]
        const of = table(screen, [{ title: "WHAT" }, { title: "HOW MUCH", isNumber: true }], facts)
        return told.by_namespace.length === 0 ? of : `${of}\n\n${counts(told.by_namespace, screen)}`
      })
  ).pipe(Command.withDescription("Count what this node holds."))
