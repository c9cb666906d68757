import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as fs from "node:fs"
import { MAX_CONTENT_BYTES } from "../../domain/limits.js"
import { madeTitle } from "../../domain/madeTitle.js"
import * as asking from "../asking/target.js"
import { BadUsage } from "../report.js"
import * as answer from "./answer.js"
import * as flags from "./flags.js"
import { done, moment, Written } from "./memories.js"
import { onOneLine } from "./screen.js"
import { write } from "./write.js"

const Stored = Schema.Struct({ ...Written.fields, expires_at: Schema.optional(Schema.NullOr(Schema.String)) })

/** `quorate store`: a text becomes a memory. */
export const store = () =>
  Command.make("store", {
    text: Args.text({ name: "text" }).pipe(
      Args.withDescription("What is to be known; - or nothing for standard input."),
      Args.repeated
    ),
    file: flags.text("file", "file", "The text is in this file."),
    title: flags.text("title", "title", "Default: the first line of the text that says something."),
    namespace: flags.text("namespace", "name", "Where it belongs. Default: global."),
    tier: flags.text("tier", "tier", "How long it is kept: short, mid or long. Default: mid, a week."),
    tags: flags.text("tags", "list", "Its tags, with commas between them."),
    priority: flags.whole("priority", "From 1 to 10. Default: 5."),
    onConflict: flags.text(
      "on-conflict",
      "how",
      "Where the title is taken: error, merge or version (the next free title). Default: error, or version for a title that was made."
    ),
    ...answer.options
  }, (given) =>
    Effect.gen(function*() {
      const target = yield* asking.targetOf(given)
      const content = yield* textOf(given)
      const body = {
        content,
        title: Option.getOrElse(given.title, () => madeTitle(content)),
        namespace: Option.getOrUndefined(given.namespace),
        tier: Option.getOrUndefined(given.tier),
        tags: Option.getOrUndefined(Option.map(given.tags, tagsOf)),
        priority: Option.getOrUndefined(given.priority),
        on_conflict: Option.getOrElse(given.onConflict, () => Option.isNone(given.title) ? "version" : undefined)
      }
      const stored = yield* write(target, { method: "POST", path: "/api/v1/memories", body })
      yield* answer.tell(given, stored, Stored, (told) =>
        [
          done(told, `stored ${told.id ?? ""} "${onOneLine(told.title ?? "")}"`),
          ...(Option.isNone(given.tier) && typeof told.expires_at === "string"
            ? [`forgotten after ${moment(told.expires_at)}: --tier long keeps it`]
            : [])
        ].join("\n"))
    })).pipe(Command.withDescription("Store a memory."))

export const tagsOf = (text: string): ReadonlyArray<string> =>
  text.split(",").map((tag) => tag.trim()).filter((tag) => tag !== "")

const textOf = ({ file, text }: {
  readonly text: ReadonlyArray<string>
  readonly file: Option.Option<string>
}): Effect.Effect<string, BadUsage> => {
  if (Option.isSome(file) && text.length > 0) {
    return Effect.fail(new BadUsage({ problem: "the text is given twice: as words, and by --file" }))
  }
  const isPiped = text.length === 0 || (text.length === 1 && text[0] === "-")
  const source = Option.getOrElse(file, () => isPiped ? "-" : undefined)
  if (source === undefined) return Effect.succeed(text.join(" "))
  if (source === "-" && process.stdin.isTTY === true && text.length === 0) {
    return Effect.fail(new BadUsage({ problem: "there is no text: give it as words, by --file or on standard input" }))
  }
  return read(source)
}

/** A node would take no more. */
const read = (source: string): Effect.Effect<string, BadUsage> => {
  const named = source === "-" ? "standard input" : source
  return Effect.filterOrFail(
    Effect.try({
      try: () => decoder.decode(upTo(source === "-" ? 0 : source, MAX_CONTENT_BYTES + 1)),
      catch: (cause) => new BadUsage({ problem: `${named}: ${cause instanceof Error ? cause.message : String(cause)}` })
    }),
    (text) => Buffer.byteLength(text) <= MAX_CONTENT_BYTES,
    () =>
      new BadUsage({ problem: `${named}: a memory has at most ${MAX_CONTENT_BYTES} bytes; quorate import takes more` })
  )
}

const decoder = new TextDecoder("utf-8", { fatal: true })

const upTo = (source: string | 0, most: number): Buffer => {
  const file = source === 0 ? 0 : fs.openSync(source, "r")
  try {
    const parts: Array<Buffer> = []
    let length = 0
    while (length < most) {
      const part = Buffer.alloc(CHUNK_BYTES)
      const count = readSome(file, part)
      if (count === 0) break
      parts.push(part.subarray(0, count))
      length += count
    }
    return Buffer.concat(parts)
  } finally {
    if (file !== 0) fs.closeSync(file)
  }
}

const CHUNK_BYTES = 64 * 1024

/** A pipe that has nothing yet, and is not blocking, has something later. */
const readSome = (file: number, part: Buffer): number => {
  for (;;) {
    try {
      return fs.readSync(file, part)
    } catch (cause) {
      if (!(cause instanceof Error && "code" in cause)) throw cause
      if (cause.code === "EOF") return 0
      if (cause.code !== "EAGAIN") throw cause
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20)
    }
  }
}
