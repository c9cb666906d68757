import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { once } from "node:events"
import * as fs from "node:fs"
import * as path from "node:path"
import type { Target } from "../asking/exchange.js"
import * as target from "../asking/target.js"
import { BadUsage } from "../report.js"
import { fileOf, looking, noteOf, write } from "./asMarkdown.js"
import { asMcpMemory } from "./asMcpMemory.js"
import { download, type Exported } from "./download.js"
import { progress } from "./progress.js"
import { NotSent } from "./sending.js"

const FORMATS = ["ndjson", "markdown", "mcp-jsonl"] as const
type Format = (typeof FORMATS)[number]

/** `quorate export`: all that a node holds, of any size. */
export const make = () =>
  Command.make("export", {
    ...target.options,
    format: Options.choice("format", FORMATS).pipe(
      Options.withDescription(
        "ndjson is all there is; markdown and mcp-jsonl are of visible memories and their links."
      ),
      Options.withDefault("ndjson" as const)
    ),
    out: Options.text("out").pipe(
      Options.withPseudoName("place"),
      Options.withDescription("The file, or the new folder of markdown. Default: standard output."),
      Options.optional
    ),
    json: Options.boolean("json").pipe(Options.withDescription("One JSON object of what was written; needs --out."))
  }, (given) =>
    Effect.gen(function*() {
      const daemon = yield* target.targetOf(given)
      const { format, json } = given
      if (Option.isNone(given.out)) {
        if (format === "markdown" || json) {
          return yield* new BadUsage({ problem: `${json ? "--json" : "--format markdown"} needs --out` })
        }
        yield* Effect.scoped(toStream(daemon, format, process.stdout)).pipe(
          // Who reads no further has what it wanted.
          Effect.catchIf(({ why }) => why.endsWith("EPIPE"), () => Effect.void)
        )
        return
      }
      const out = given.out.value
      const rows = yield* format === "markdown" ? toFolder(daemon, out) : toFile(daemon, format, out)
      yield* Console.log(json ? JSON.stringify({ out, format, rows }) : `${rows} rows are in ${out}`)
    })).pipe(
      Command.withDescription("Take out what a node holds, for another node or for other programs.")
    )

/** Another file than the one that is there stands under its name, once all of it is written. */
const toFile = (daemon: Target, format: Format, out: string): Effect.Effect<number, NotSent> => {
  const made = `${out}.${process.pid}.part`
  return Effect.scoped(
    Effect.gen(function*() {
      const stream = yield* Effect.acquireRelease(
        writing(() => fs.openSync(made, "wx", 0o600)).pipe(Effect.map((fd) => fs.createWriteStream(made, { fd }))),
        (opened) => Effect.sync(() => opened.destroy())
      )
      const rows = yield* toStream(daemon, format, stream)
      yield* Effect.tryPromise({
        try: () => new Promise<void>((resolve, reject) => stream.on("error", reject).end(() => resolve())),
        catch: notWritten
      })
      yield* writing(() => fs.renameSync(made, out))
      return rows
    })
  ).pipe(Effect.onError(() => Effect.sync(() => fs.rmSync(made, { force: true }))))
}

const toStream = (daemon: Target, format: Format, stream: NodeJS.WritableStream) =>
  Effect.gen(function*() {
    const textOf = format === "mcp-jsonl" ? asMcpMemory() : ({ text }: Exported) => text
    let rows = 0
    let failed: Error | undefined
    stream.on("error", (error) => failed = error)
    yield* each(yield* download(daemon), async (exported) => {
      if (failed !== undefined) throw failed
      const text = textOf(exported)
      if (text === undefined) return rows
      if (!stream.write(`${text}\n`)) await once(stream, "drain")
      return ++rows
    })
    return rows
  })

/** A note for each visible memory. The folder must be new: what was deleted since an older export would come back by it. */
const toFolder = (daemon: Target, out: string): Effect.Effect<number, NotSent | BadUsage> =>
  Effect.gen(function*() {
    yield* writing(() => fs.mkdirSync(out, { recursive: true }))
    if ((yield* writing(() => fs.readdirSync(out))).length > 0) {
      return yield* new BadUsage({ problem: `${path.resolve(out)} is not empty: --out of markdown is a new folder` })
    }
    const known = looking()
    yield* Effect.scoped(Effect.flatMap(download(daemon), (lines) =>
      each(lines, (exported) => {
        known.take(exported)
        return Promise.resolve(0)
      })))
    let rows = 0
    yield* Effect.scoped(Effect.flatMap(download(daemon), (lines) =>
      each(lines, async ({ type, value }) => {
        if (type !== "memory") return rows
        await write(out, fileOf(value), noteOf(value, known))
        return ++rows
      })))
    return rows
  })

/** One after the other, as they come. */
const each = (
  lines: AsyncGenerator<Exported>,
  take: (exported: Exported) => Promise<number>
): Effect.Effect<void, NotSent> => {
  const shown = progress()
  return Stream.fromAsyncIterable(lines, cutOff).pipe(
    Stream.runForEach((exported) =>
      Effect.map(
        Effect.tryPromise({ try: () => take(exported), catch: notWritten }),
        (rows) => shown.update({ rows, share: undefined })
      )
    ),
    Effect.ensuring(Effect.sync(shown.clear))
  )
}

const cutOff = (cause: unknown): NotSent =>
  cause instanceof NotSent
    ? cause
    : new NotSent({
      why: `the export was cut off (${cause instanceof Error ? cause.message : String(cause)}): it is not whole`
    })

const notWritten = (cause: unknown): NotSent =>
  new NotSent({ why: `it can not be written: ${cause instanceof Error ? cause.message : String(cause)}` })

const writing = <A>(what: () => A): Effect.Effect<A, NotSent> => Effect.try({ try: what, catch: notWritten })
