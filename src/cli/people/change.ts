import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { ask } from "../asking/ask.js"
import * as asking from "../asking/target.js"
import * as answer from "./answer.js"
import * as editor from "./editor.js"
import * as flags from "./flags.js"
import { named, pathOf, wholeId } from "./ids.js"
import { done, Memory, shortIds, Written } from "./memories.js"
import { onOneLine, print } from "./screen.js"
import { tagsOf } from "./store.js"
import { write } from "./write.js"

const Found = Schema.Struct({ memory: Memory })

/** `quorate edit`: a memory in an editor, or some of its fields by flags. Nobody's change in between is lost. */
export const edit = () =>
  Command.make("edit", {
    id: flags.id,
    title: flags.text("title", "title", "Another title."),
    content: flags.text("content", "text", "Another text."),
    namespace: flags.text("namespace", "name", "Move it there."),
    tier: flags.text("tier", "tier", "Keep it longer: mid or long."),
    tags: flags.text("tags", "list", "Other tags, with commas between them."),
    priority: flags.whole("priority", "Another priority, 1 to 10."),
    ...answer.options
  }, (given) =>
    Effect.gen(function*() {
      const target = yield* asking.targetOf(given)
      const { memory } = yield* answer.readAs(
        Found,
        yield* named(given.id, ask(target, { method: "GET", path: pathOf(given.id) }))
      )
      const change = (fields: object) =>
        write(target, {
          method: "PUT",
          path: pathOf(memory.id),
          body: { ...fields, expected_version: memory.updated_at }
        })
      const fields = fieldsOf(given)
      const isNamed = Object.values(fields).some((field) => field !== undefined)
      const changed = isNamed ? yield* change(fields) : yield* editor.edited(memory, change)
      if (changed === undefined) return yield* print(given.json ? "{}" : "nothing was changed")
      yield* answer.tell(
        given,
        changed,
        Written,
        (told) => done(told, `changed ${told.id ?? ""} "${onOneLine(told.title ?? "")}"`)
      )
    })).pipe(Command.withDescription("Change a memory: in $VISUAL or $EDITOR, or by flags."))

const fieldsOf = (given: {
  readonly title: Option.Option<string>
  readonly content: Option.Option<string>
  readonly namespace: Option.Option<string>
  readonly tier: Option.Option<string>
  readonly tags: Option.Option<string>
  readonly priority: Option.Option<number>
}) => ({
  title: Option.getOrUndefined(given.title),
  content: Option.getOrUndefined(given.content),
  namespace: Option.getOrUndefined(given.namespace),
  tier: Option.getOrUndefined(given.tier),
  tags: Option.getOrUndefined(Option.map(given.tags, tagsOf)),
  priority: Option.getOrUndefined(given.priority)
})

/** `quorate delete`: on every node, for good. */
export const remove = () =>
  Command.make("delete", { id: flags.id, ...answer.options }, (given) =>
    Effect.gen(function*() {
      const target = yield* asking.targetOf(given)
      const id = yield* wholeId(target, given.id)
      const deleted = yield* named(id, write(target, { method: "DELETE", path: pathOf(id) }))
      yield* answer.tell(given, deleted, Written, (told) => done(told, `deleted ${id}`))
    })).pipe(Command.withDescription("Delete a memory, on every node and for good; archive puts it away."))

const Linked = Schema.Struct({
  source_id: Schema.String,
  target_id: Schema.String,
  relation: Schema.String,
  ...Written.fields
})

/** `quorate link`: one memory to another. */
export const link = () =>
  Command.make("link", {
    from: Args.text({ name: "from" }).pipe(Args.withDescription("The memory that says something of the other.")),
    to: Args.text({ name: "to" }).pipe(Args.withDescription("The other one.")),
    relation: flags.text(
      "relation",
      "name",
      "How they belong together, as supersedes, contradicts or derived_from. Default: related_to."
    ),
    ...answer.options
  }, (given) =>
    Effect.gen(function*() {
      const target = yield* asking.targetOf(given)
      const [source_id, target_id] = yield* Effect.all([wholeId(target, given.from), wholeId(target, given.to)])
      const body = { source_id, target_id, relation: Option.getOrUndefined(given.relation) }
      const linked = yield* write(target, { method: "POST", path: "/api/v1/links", body })
      yield* answer.tell(
        given,
        linked,
        Linked,
        (told) => {
          const short = shortIds([told.source_id, told.target_id])
          return done(told, `${short(told.source_id)} ${onOneLine(told.relation)} ${short(told.target_id)}`)
        }
      )
    })).pipe(Command.withDescription("Link a memory to another one."))
