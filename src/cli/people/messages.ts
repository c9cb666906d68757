import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { madeTitle } from "../../domain/madeTitle.js"
import * as asking from "../asking/target.js"
import { BadUsage } from "../report.js"
import * as answer from "./answer.js"
import * as flags from "./flags.js"
import { andMore, done, moment, shortIds, Written } from "./memories.js"
import { harmless, onOneLine, type Screen } from "./screen.js"
import { write } from "./write.js"

const Message = Schema.Struct({
  id: Schema.String,
  from: Schema.NullOr(Schema.String),
  title: Schema.String,
  body: Schema.String,
  created_at: Schema.String,
  unread: Schema.Boolean
})
const Inbox = Schema.Struct({
  messages: Schema.Array(Message),
  truncated: Schema.optional(Schema.Boolean)
})

/** `quorate inbox`: what was left for an agent. */
export const inbox = () =>
  Command.make("inbox", {
    unread: flags.yes("unread", "Only what was not read."),
    since: flags.since,
    limit: flags.limit,
    offset: flags.offset,
    ...answer.options
  }, (given) =>
    Option.isNone(given.agentId)
      ? Effect.fail(new BadUsage({ problem: "whose messages are meant: give --agent-id" }))
      : answer.answer(
        given,
        {
          method: "GET",
          path: "/api/v1/inbox",
          query: {
            unread_only: given.unread ? true : undefined,
            since: given.since,
            limit: given.limit,
            offset: given.offset
          }
        },
        Inbox,
        ({ messages, truncated }, screen) =>
          messages.length === 0
            ? "there are none"
            : messages.map((message) => shown(message, shortIds(messages.map(({ id }) => id)), screen)).join("\n\n") +
              andMore(truncated, screen)
      )).pipe(
      Command.withDescription("Read the messages that were left for --agent-id, the newest first.")
    )

const shown = (
  { body, created_at, from, id, title, unread }: typeof Message.Type,
  short: (id: string) => string,
  { bold, dim }: Screen
): string =>
  [
    `${unread ? bold(onOneLine(title)) : onOneLine(title)}`,
    dim(
      [short(id), `from ${onOneLine(from ?? "nobody")}`, moment(created_at), ...(unread ? ["unread"] : [])].join(
        " · "
      )
    ),
    harmless(body)
  ].join("\n")

const Notified = Schema.Struct({ ...Written.fields, to: Schema.String })

/** `quorate notify`: leaves a message. */
export const notify = () =>
  Command.make("notify", {
    to: Args.text({ name: "agent" }).pipe(Args.withDescription("Whom it is for.")),
    text: Args.text({ name: "text" }).pipe(Args.withDescription("What to say."), Args.atLeast(1)),
    title: flags.text("title", "title", "Default: the first line of the text."),
    priority: flags.whole("priority", "From 1 to 10. Default: 5."),
    ...answer.options
  }, (given) =>
    Effect.gen(function*() {
      const target = yield* asking.targetOf(given)
      const payload = given.text.join(" ")
      const body = {
        target_agent_id: given.to,
        title: Option.getOrElse(given.title, () => madeTitle(payload)),
        payload,
        priority: Option.getOrUndefined(given.priority)
      }
      const sent = yield* write(target, { method: "POST", path: "/api/v1/notify", body })
      yield* answer.tell(
        given,
        sent,
        Notified,
        (told) => done(told, `left for ${onOneLine(told.to)}: ${told.id ?? ""}`)
      )
    })).pipe(Command.withDescription("Leave a message for an agent, from --agent-id."))
