import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { ask } from "../asking/ask.js"
import * as asking from "../asking/target.js"
import * as answer from "./answer.js"
import { confirm } from "./confirm.js"
import * as flags from "./flags.js"
import { wholeId } from "./ids.js"
import { done, shortIds, Written } from "./memories.js"
import { harmless, onOneLine, type Screen, screen } from "./screen.js"
import { table } from "./table.js"
import { write } from "./write.js"

const Archived = Schema.Struct({
  archived: Schema.Array(Schema.String),
  missing: Schema.Array(Schema.String),
  ...Written.fields
})

/** `quorate archive`: puts memories away. */
export const archive = () =>
  Command.make("archive", {
    ids: Args.text({ name: "id" }).pipe(Args.withDescription("The memories, by their ids."), Args.atLeast(1)),
    reason: flags.text("reason", "text", "Why."),
    ...answer.options
  }, (given) =>
    Effect.gen(function*() {
      const target = yield* asking.targetOf(given)
      const ids = yield* Effect.forEach(given.ids, (id) => wholeId(target, id))
      const body = { ids, reason: Option.getOrUndefined(given.reason) }
      const answered = yield* write(target, { method: "POST", path: "/api/v1/archive", body })
      yield* answer.tell(given, answered, Archived, ({ archived, missing, ...told }) =>
        [
          ...archived.map((id) => done(told, `archived ${harmless(id)}`)),
          ...missing.map((id) => `not there: ${harmless(id)}`)
        ].join("\n"))
    })).pipe(Command.withDescription("Put memories away; restore takes them back."))

/** `quorate restore`: takes one back. */
export const restore = () =>
  Command.make("restore", {
    id: Args.text({ name: "id" }).pipe(Args.withDescription("The archived memory, by its whole id.")),
    ...answer.options
  }, (given) =>
    Effect.gen(function*() {
      const target = yield* asking.targetOf(given)
      const path = `/api/v1/archive/${encodeURIComponent(given.id)}/restore`
      const answered = yield* write(target, { method: "POST", path })
      yield* answer.tell(given, answered, Written, (told) => done(told, `restored ${harmless(given.id)}`))
    })).pipe(Command.withDescription("Take a memory back from the archive."))

const Foreseen = Schema.Struct({
  count: Schema.Number,
  memories: Schema.Array(Schema.Struct({ id: Schema.String, title: Schema.String, namespace: Schema.String }))
})
const Forgotten = Schema.Struct({ deleted: Schema.Number, ...Written.fields })

/** `quorate forget`: puts away all that matches, after it was seen. */
export const forget = () =>
  Command.make("forget", {
    pattern: Args.text({ name: "words" }).pipe(
      Args.withDescription("What has any of these words."),
      Args.repeated
    ),
    namespace: flags.text("namespace", "name", "Exactly this namespace."),
    tier: flags.tier,
    dryRun: flags.yes("dry-run", "Show what would go, and stop there."),
    yes: flags.yes("yes", "Do not ask."),
    ...answer.options
  }, (given) =>
    Effect.gen(function*() {
      const target = yield* asking.targetOf(given)
      const wanted = {
        pattern: given.pattern.length === 0 ? undefined : given.pattern.join(" "),
        namespace: Option.getOrUndefined(given.namespace),
        tier: Option.getOrUndefined(given.tier)
      }
      const foreseen = yield* ask(target, { method: "GET", path: PATH, query: wanted })
      const { count, memories } = yield* answer.readAs(Foreseen, foreseen)
      if (given.dryRun) return yield* answer.tell(given, foreseen, Foreseen, shown)
      if (count === 0) return yield* answer.tell(given, { deleted: 0 }, Forgotten, () => NOTHING)
      if (!given.yes) yield* confirm(`${shown({ count, memories }, screen())}\nPut away`, count)
      const answered = yield* write(target, { method: "POST", path: PATH, body: wanted })
      yield* answer.tell(given, answered, Forgotten, ({ deleted, ...told }) => done(told, `forgot ${deleted}`))
    })).pipe(Command.withDescription("Put away all memories that match, after showing them and asking."))

const PATH = "/api/v1/forget"
const NOTHING = "nothing matches"

const shown = ({ count, memories }: typeof Foreseen.Type, screen: Screen): string => {
  if (count === 0) return NOTHING
  const short = shortIds(memories.map(({ id }) => id))
  return [
    table(
      screen,
      [{ title: "ID" }, { title: "TITLE", isCut: true }, { title: "NAMESPACE" }],
      memories.map(({ id, namespace, title }) => [short(id), onOneLine(title), onOneLine(namespace)])
    ),
    ...(count > memories.length ? [screen.dim(`and ${count - memories.length} more`)] : [])
  ].join("\n")
}
