import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import * as Clock from "effect/Clock"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { randomUUID } from "node:crypto"
import * as Stamp from "../../domain/Stamp.js"
import * as validate from "../../domain/validate.js"
import { version } from "../../domain/version.js"
import { names } from "../../transfer/formats/formats.js"
import { Unreadable } from "../../transfer/reading/texts.js"
import type { Target } from "../asking/exchange.js"
import * as target from "../asking/target.js"
import { BadUsage, Ended } from "../report.js"
import * as Mark from "./mark.js"
import { type Part, parting } from "./parts.js"
import { progress } from "./progress.js"
import * as report from "./report.js"
import { type Line, rows } from "./rows.js"
import { NotSent, problemsOf, sender } from "./sending.js"
import * as Sources from "./sources.js"

const DEFAULT_WAIT_SECONDS = 60

/** `quorate import`: what other programs and other nodes hold, of any size. */
export const make = () =>
  Command.make("import", {
    source: Args.text({ name: "source" }).pipe(Args.withDescription("A file, a folder, or - for what comes in.")),
    ...target.options,
    namespace: Options.text("namespace").pipe(
      Options.withPseudoName("namespace"),
      Options.withDescription("Where that goes which names no namespace. Default: global."),
      Options.optional
    ),
    format: Options.text("format").pipe(
      Options.withPseudoName("format"),
      Options.withDescription(`What it is, where that is not to be found out: ${names.join(", ")}.`),
      Options.optional
    ),
    wait: Options.integer("wait").pipe(
      Options.withPseudoName("seconds"),
      Options.withDescription(
        `How long to wait for a daemon that is away or overloaded. Default: ${DEFAULT_WAIT_SECONDS}.`
      ),
      Options.withDefault(DEFAULT_WAIT_SECONDS)
    ),
    dryRun: Options.boolean("dry-run").pipe(Options.withDescription("Say what would come of it, and write nothing.")),
    json: Options.boolean("json").pipe(Options.withDescription("One JSON object instead of a text."))
  }, (given) =>
    Effect.gen(function*() {
      const asked = {
        target: yield* target.targetOf(given),
        namespace: yield* namespaceOf(given.namespace),
        format: yield* formatOf(given.format),
        dryRun: given.dryRun,
        waitMillis: Math.max(given.wait, 0) * 1000
      }
      const sources = yield* Effect.try({ try: () => Sources.of(given.source), catch: unreadable(given.source) })
      const summary = yield* run(given.source, sources, asked)
      const { notes, summary: line } = report.told(summary)
      for (const note of notes) yield* Effect.sync(() => process.stderr.write(`${note}\n`))
      yield* Console.log(given.json ? report.asJson(summary) : line)
      if (summary.problems.count > 0) return yield* new Ended({ code: 1 })
    })).pipe(
      Command.withDescription(
        "Bring in what other programs and other nodes hold: files of any size, and folders of notes."
      )
    )

const namespaceOf = (given: Option.Option<string>) =>
  Option.isNone(given)
    ? Effect.succeed(undefined)
    : Effect.mapError(
      validate.namespace(given.value),
      ({ message }) => new BadUsage({ problem: `--namespace: ${message}` })
    )

const formatOf = (given: Option.Option<string>) =>
  Option.isNone(given)
    ? Effect.succeed(undefined)
    : names.includes(given.value)
    ? Effect.succeed(given.value)
    : Effect.fail(new BadUsage({ problem: `--format must be one of ${names.join(", ")}` }))

const unreadable = (source: string) => (cause: unknown): NotSent =>
  new NotSent({ why: cause instanceof Unreadable ? `${Sources.called(source)}: ${cause.reason}` : String(cause) })

interface Asked {
  readonly target: Target
  readonly namespace: string | undefined
  readonly format: string | undefined
  readonly dryRun: boolean
  readonly waitMillis: number
}

/** All of it; from the beginning once more where the daemon lacks what it had acknowledged. */
const run = (source: string, sources: Sources.Sources, asked: Asked): Effect.Effect<report.Summary, NotSent> =>
  Effect.gen(function*() {
    const mark = asked.dryRun || sources.state === undefined ? undefined : Mark.of([
      version,
      asked.target.url.origin,
      asked.namespace ?? "",
      asked.format ?? "",
      sources.state
    ])
    const known = mark?.read()
    const outcome = yield* attempt(source, sources, asked, { mark, known })
    const done = Either.isRight(outcome) ? outcome : yield* attempt(source, sources, asked, { mark, known: undefined })
    mark?.remove()
    return yield* Either.mapLeft(done, () => new NotSent({ why: "the daemon loses what it acknowledged" }))
  })

interface Marked {
  readonly mark: ReturnType<typeof Mark.of> | undefined
  readonly known: Mark.Mark | undefined
}

/** `Left` where the part that had been acknowledged last is not there any more: the daemon has another database. */
const attempt = (
  source: string,
  sources: Sources.Sources,
  asked: Asked,
  { known, mark }: Marked
): Effect.Effect<Either.Either<report.Summary, "lost">, NotSent> =>
  Effect.gen(function*() {
    const now = Stamp.fromMillis(yield* Clock.currentTimeMillis)
    const shown = progress()
    const problems = report.collecting()
    const remarks = report.collecting()
    const skipped = known?.last ?? 0
    const { rest, take } = parting(skipped)
    const tally = { bytes: 0, sent: skipped, isLost: false, counts: known?.counts ?? Mark.none }
    const update = (note?: string) =>
      shown.update({
        rows: tally.sent,
        share: sources.bytes === undefined ? undefined : tally.bytes / Math.max(sources.bytes, 1),
        ...(note === undefined ? {} : { note })
      })
    const run = randomUUID()
    const send = sender({ ...asked, onWait: (why) => update(`waiting: ${why}`) })

    const deliver = (part: Part) =>
      Effect.gen(function*() {
        const { counts, errors, warnings } = yield* send(part, `import-${run}-${part.from}`)
        // It is the one that is sent once more, to see whether all of it is there.
        const isRepeated = known !== undefined && part.from < known.done
        if (isRepeated && counts.created > 0) tally.isLost = true
        if (!isRepeated) tally.counts = sum(tally.counts, counts)
        tally.sent = part.from + part.lines.length
        mark?.write({ done: tally.sent, last: part.from, counts: tally.counts })
        problemsOf(errors, part).forEach(problems.add)
        for (const reason of warnings) remarks.add({ at: part.lines[0]?.at ?? { line: 0 }, reason })
        update()
      })

    const one = (each: Line | { readonly kind: "problem" | "remark" } & report.Note) => {
      if (each.kind !== "line") {
        const notes = each.kind === "problem" ? problems : remarks
        return Effect.sync(() => notes.add(each))
      }
      const part = take(each)
      return part === undefined ? Effect.void : deliver(part)
    }

    const all = rows(sources, { ...asked, now, onBytes: (bytes) => tally.bytes += bytes })
    yield* Stream.fromAsyncIterable(all, unreadable(source)).pipe(
      Stream.takeWhile(() => !tally.isLost),
      Stream.runForEach(one),
      Effect.ensuring(Effect.sync(shown.clear))
    )
    const last = rest()
    if (last !== undefined && !tally.isLost) yield* deliver(last)
    shown.clear()
    if (tally.isLost) return Either.left("lost" as const)
    return Either.right({
      dry_run: asked.dryRun,
      resumed_after: skipped,
      counts: tally.counts,
      problems: problems.all(),
      remarks: remarks.all()
    })
  })

const sum = (a: Mark.Counts, b: Mark.Counts): Mark.Counts => ({
  imported: a.imported + b.imported,
  created: a.created + b.created,
  updated: a.updated + b.updated,
  unchanged: a.unchanged + b.unchanged,
  renamed: a.renamed + b.renamed,
  links_imported: a.links_imported + b.links_imported,
  standards_imported: a.standards_imported + b.standards_imported,
  pendings_imported: a.pendings_imported + b.pendings_imported
})
