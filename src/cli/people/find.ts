import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as answer from "./answer.js"
import * as flags from "./flags.js"
import { andMore, listed, Memory, shortIds } from "./memories.js"
import { harmless, onOneLine, type Screen } from "./screen.js"

const Recalled = Schema.Struct({
  memories: Schema.Array(Schema.Struct({ ...Memory.fields, score: Schema.Number })),
  evidence: Schema.Struct({ strength: Schema.Number })
})

/** `quorate recall`: what helps with a question. */
export const recall = () =>
  Command.make("recall", {
    words: Args.text({ name: "question" }).pipe(Args.withDescription("In your own words."), Args.atLeast(1)),
    namespace: flags.text("namespace", "name", "This namespace, those above it and those below it."),
    limit: flags.limit,
    tag: flags.tag,
    since: flags.since,
    until: flags.until,
    abstainBelow: Options.float("abstain-below").pipe(
      Options.withPseudoName("strength"),
      Options.withDescription("Answer nothing where the evidence is weaker, 0 to 1. Default: 0."),
      Options.optional
    ),
    ...answer.options
  }, (given) =>
    answer.answer(
      given,
      {
        method: "POST",
        path: "/api/v1/recall",
        body: {
          context: given.words.join(" "),
          namespace: Option.getOrUndefined(given.namespace),
          limit: Option.getOrUndefined(given.limit),
          tags: Option.getOrUndefined(given.tag),
          since: Option.getOrUndefined(given.since),
          until: Option.getOrUndefined(given.until),
          abstain_below: Option.getOrUndefined(given.abstainBelow)
        }
      },
      Recalled,
      ({ evidence: { strength }, memories }, screen) =>
        memories.length === 0
          ? "nothing fits"
          : [
            ...memories.map((memory) => found(memory, shortIds(memories.map(({ id }) => id)), screen)),
            screen.dim(`evidence ${strength.toFixed(2)} of 1`)
          ].join("\n\n")
    )).pipe(Command.withDescription("Find the memories that help most with a question."))

/** The beginning of a text is enough to know whether it is the one. */
const SHOWN_CHARS = 400

const found = (
  memory: Memory & { readonly score: number },
  short: (id: string) => string,
  { bold, dim }: Screen
): string => {
  const { content, id, namespace, score, tags, title } = memory
  const characters = Array.from(content.trimEnd())
  const isLong = characters.length > SHOWN_CHARS
  const text = isLong ? `${characters.slice(0, SHOWN_CHARS).join("")}…` : characters.join("")
  return [
    `${score.toFixed(3)}  ${bold(onOneLine(title))}`,
    dim(`       ${[short(id), onOneLine(namespace), ...tags.map(onOneLine)].join(" · ")}`),
    harmless(text).replace(/^/gm, "       ")
  ].join("\n")
}

const Matching = Schema.Struct({
  results: Schema.Array(Memory),
  truncated: Schema.optional(Schema.Boolean)
})

/** `quorate search`: what has these words. */
export const search = () =>
  Command.make("search", {
    words: Args.text({ name: "words" }).pipe(Args.withDescription("What the memories have in them."), Args.atLeast(1)),
    namespace: flags.namespace,
    tier: flags.tier,
    tag: flags.tag,
    since: flags.since,
    until: flags.until,
    limit: flags.limit,
    ...answer.options
  }, (given) =>
    answer.answer(
      given,
      {
        method: "GET",
        path: "/api/v1/search",
        query: {
          q: given.words.join(" "),
          namespace: given.namespace,
          tier: given.tier,
          tags: given.tag,
          since: given.since,
          until: given.until,
          limit: given.limit
        }
      },
      Matching,
      ({ results, truncated }, screen) =>
        results.length === 0 ? "nothing has these words" : listed(results, screen) + andMore(truncated, screen)
    )).pipe(
      Command.withDescription("Find memories by words that they have, all of them first.")
    )
