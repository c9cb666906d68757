import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { ask, NotAnswered } from "../asking/ask.js"
import * as asking from "../asking/target.js"
import * as answer from "./answer.js"
import * as flags from "./flags.js"
import { pathOf } from "./ids.js"
import { andMore, done, Memory, moment, shortIds, whole, Written } from "./memories.js"
import { harmless, onOneLine, type Screen } from "./screen.js"
import { table } from "./table.js"
import { write } from "./write.js"

const Conflict = Schema.Struct({
  kind: Schema.String,
  id: Schema.String,
  namespace: Schema.String,
  title: Schema.String,
  memory: Memory,
  version: Schema.String,
  origin: Schema.String,
  winner: Schema.Struct({ id: Schema.String, version: Schema.String })
})
const Conflicts = Schema.Struct({
  conflicts: Schema.Array(Conflict),
  truncated: Schema.optional(Schema.Boolean)
})

const PATH = "/api/v1/conflicts"
const id = Args.text({ name: "id" }).pipe(
  Args.withDescription("The memory that lost, as the list has it, by its whole id.")
)

const list = () =>
  Command.make("list", {
    namespace: flags.namespace,
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
          namespace: given.namespace,
          limit: given.limit,
          offset: given.offset
        }
      },
      Conflicts,
      ({ conflicts, truncated }, screen) =>
        conflicts.length === 0
          ? "there are none"
          : table(
            screen,
            [{ title: "ID" }, { title: "TITLE", isCut: true }, { title: "LOST" }, { title: "WON" }],
            conflicts.map(({ id, title, version, winner }) => [
              harmless(id),
              onOneLine(title),
              moment(version),
              winner.id === id ? moment(winner.version) : shortIds(conflicts.map((each) => each.winner.id))(winner.id)
            ])
          ) + andMore(truncated, screen)
    )).pipe(Command.withDescription("List writes that met, and lost."))

const Found = Schema.Struct({ memory: Memory })

const show = () =>
  Command.make("show", { id, ...answer.options }, (given) =>
    Effect.gen(function*() {
      const target = yield* asking.targetOf(given)
      const page = (offset: number) => ask(target, { method: "GET", path: PATH, query: { offset, limit: PAGE } })
      const lost = yield* find(given.id, page)
      const winner = yield* ask(target, { method: "GET", path: pathOf(lost.winner.id) })
      yield* answer.tell(
        given,
        { ...lost, winner },
        Schema.Struct({ winner: Found }),
        (told, screen) => beside(lost, told.winner.memory, screen)
      )
    })).pipe(Command.withDescription("Show what lost and what won, one after the other."))

const PAGE = 100

/** The conflict of that memory, wherever it is in the list. */
const find = <E, R>(
  id: string,
  page: (offset: number) => Effect.Effect<unknown, E, R>
): Effect.Effect<typeof Conflict.Type, E | NotAnswered, R> =>
  Effect.gen(function*() {
    for (let offset = 0;;) {
      const { conflicts } = yield* answer.readAs(Conflicts, yield* page(offset))
      const found = conflicts.find((each) => each.id === id)
      if (found !== undefined) return found
      offset += conflicts.length
      if (conflicts.length === 0) {
        return yield* new NotAnswered({
          why: `${id} has no conflict: quorate conflicts list has them`
        })
      }
    }
  })

const beside = (lost: typeof Conflict.Type, won: Memory, screen: Screen): string =>
  [
    screen.dim(`lost, written by ${onOneLine(lost.origin)} at ${moment(lost.version)}:`),
    whole(lost.memory, screen),
    "",
    screen.dim("won:"),
    whole(won, screen)
  ].join("\n")

const resolve = () =>
  Command.make("resolve", {
    id,
    keep: Options.choice("keep", ["winner", "loser"]).pipe(
      Options.withDescription("winner: what lost is put away; loser: it is the newest version.")
    ),
    of: flags.text("of", "version", "Which version lost, where one memory has several conflicts."),
    ...answer.options
  }, (given) =>
    Effect.gen(function*() {
      const target = yield* asking.targetOf(given)
      const body = { keep: given.keep, version: Option.getOrUndefined(given.of) }
      const path = `${PATH}/${encodeURIComponent(given.id)}/resolve`
      const answered = yield* write(target, { method: "POST", path, body })
      yield* answer.tell(
        given,
        answered,
        Written,
        (told) => done(told, `resolved ${harmless(given.id)}: kept the ${given.keep}`)
      )
    })).pipe(Command.withDescription("Decide a conflict, on all nodes."))

/** `quorate conflicts`: writes that could not know of each other. */
export const conflicts = () =>
  Command.make("conflicts").pipe(
    Command.withDescription("Look at writes that met, and decide which of them is right."),
    Command.withSubcommands([list(), show(), resolve()])
  )
