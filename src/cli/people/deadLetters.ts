import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as Schema from "effect/Schema"
import * as answer from "./answer.js"
import * as flags from "./flags.js"
import { moment } from "./memories.js"
import { onOneLine } from "./screen.js"
import { table } from "./table.js"

const PATH = "/api/v1/federation/dlq"

const Letters = Schema.Struct({
  dead_letters: Schema.Array(Schema.Struct({
    id: Schema.Number,
    peer_id: Schema.String,
    kind: Schema.String,
    reason: Schema.String,
    attempts: Schema.Number,
    failed_at: Schema.String,
    discarded: Schema.Boolean
  }))
})

const list = () =>
  Command.make(
    "list",
    { limit: flags.limit, offset: flags.offset, ...answer.options },
    (given) =>
      answer.answer(
        given,
        {
          method: "GET",
          path: PATH,
          query: { limit: given.limit, offset: given.offset }
        },
        Letters,
        ({ dead_letters: letters }, screen) =>
          letters.length === 0
            ? "there are none"
            : table(
              screen,
              [
                { title: "ID", isNumber: true },
                { title: "PEER" },
                { title: "KIND" },
                { title: "REASON", isCut: true },
                { title: "TRIES", isNumber: true },
                { title: "SINCE" }
              ],
              letters.map(({ attempts, discarded, failed_at, id, kind, peer_id, reason }) => [
                String(id),
                onOneLine(peer_id).slice(0, MOST_OF_A_PEER),
                onOneLine(kind),
                discarded ? `given up: ${onOneLine(reason)}` : onOneLine(reason),
                String(attempts),
                moment(failed_at)
              ])
            )
      )
  ).pipe(Command.withDescription("List the operations that a peer refuses, with its reasons."))

const MOST_OF_A_PEER = 20

const id = Args.integer({ name: "id" }).pipe(Args.withDescription("The dead letter, as the list has it."))

const retry = () =>
  Command.make("retry", { id, ...answer.options }, (given) =>
    answer.answer(
      given,
      { method: "POST", path: `${PATH}/${given.id}/retry` },
      Schema.Struct({ result: Schema.String }),
      ({ result }) => `${given.id}: ${onOneLine(result)}`
    )).pipe(Command.withDescription("Send one again, now."))

const discard = () =>
  Command.make("discard", { id, ...answer.options }, (given) =>
    answer.answer(
      given,
      { method: "DELETE", path: `${PATH}/${given.id}` },
      Schema.Struct({}),
      () => `${given.id} is not sent to this peer any more`
    )).pipe(Command.withDescription("Give one up, for this peer."))

/** `quorate dlq`: what does not get through. */
export const deadLetters = () =>
  Command.make("dlq").pipe(
    Command.withDescription("Look at dead letters, which a peer refuses, and send or discard them."),
    Command.withSubcommands([list(), retry(), discard()])
  )
