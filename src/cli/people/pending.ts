import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as asking from "../asking/target.js"
import * as answer from "./answer.js"
import * as flags from "./flags.js"
import { andMore, moment } from "./memories.js"
import { harmless, onOneLine } from "./screen.js"
import { table } from "./table.js"
import { write } from "./write.js"

const PATH = "/api/v1/pending"

const Pending = Schema.Struct({
  pending: Schema.Array(Schema.Struct({
    id: Schema.String,
    action_type: Schema.String,
    namespace: Schema.String,
    payload: Schema.Unknown,
    requested_by: Schema.String,
    requested_at: Schema.String,
    status: Schema.String
  })),
  truncated: Schema.optional(Schema.Boolean)
})
const Titled = Schema.is(Schema.Struct({ title: Schema.String }))

const list = () =>
  Command.make("list", {
    status: flags.text("status", "status", "pending, approved, rejected or expired. Default: all of them."),
    limit: flags.limit,
    offset: flags.offset,
    ...answer.options
  }, (given) =>
    answer.answer(
      given,
      {
        method: "GET",
        path: PATH,
        query: {
          status: given.status,
          limit: given.limit,
          offset: given.offset
        }
      },
      Pending,
      ({ pending, truncated }, screen) =>
        pending.length === 0
          ? "there are none"
          : table(
            screen,
            [{ title: "ID" }, { title: "WHAT" }, { title: "OF", isCut: true }, { title: "STATUS" }, { title: "ASKED" }],
            pending.map(({ action_type, id, namespace, payload, requested_at, status }) => [
              harmless(id),
              onOneLine(action_type),
              onOneLine(Titled(payload) ? payload.title : namespace),
              onOneLine(status),
              moment(requested_at).slice(5)
            ])
          ) + andMore(truncated, screen)
    )).pipe(Command.withDescription("List what waits for approval, or did."))

const Decided = Schema.Struct({
  memory_id: Schema.optional(Schema.NullOr(Schema.String)),
  votes: Schema.optional(Schema.Number),
  quorum: Schema.optional(Schema.Number)
})

const decide = (name: "approve" | "reject", done: string, description: string) =>
  Command.make(name, {
    id: Args.text({ name: "id" }).pipe(Args.withDescription("The action, as the list has it.")),
    ...answer.options
  }, (given) =>
    Effect.gen(function*() {
      const target = yield* asking.targetOf(given)
      const path = `${PATH}/${encodeURIComponent(given.id)}/${name}`
      const decided = yield* write(target, { method: "POST", path })
      yield* answer.tell(given, decided, Decided, ({ memory_id: memory, quorum, votes }) =>
        votes === undefined
          ? `${done} ${harmless(given.id)}${
            memory === null || memory === undefined ? "" : `: memory ${harmless(memory)}`
          }`
          : `voted for ${harmless(given.id)}: ${votes} of ${quorum ?? "?"}`)
    })).pipe(Command.withDescription(description))

/** `quorate pending`: what needs somebody's word. */
export const pending = () =>
  Command.make("pending").pipe(
    Command.withDescription("Look at what waits for approval, and decide about it."),
    Command.withSubcommands([
      list(),
      decide("approve", "approved", "Approve an action, or vote for it, as --agent-id."),
      decide("reject", "rejected", "Reject an action, as --agent-id.")
    ])
  )
